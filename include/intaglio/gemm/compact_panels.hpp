// SPDX-License-Identifier: Apache-2.0
#pragma once

// Panels of a packed rhs whose codes take as few bits as most of them need, whatever their format allows: the digits of
// words (simd/digit_words.hpp), panel by panel in the form that takes least, and a list of the codes that are beyond
// it, which are put in their places after the expansion. A panel is
//
//   words        of each group of 64 n codes
//   counts       of exceptions in each page of eight groups, an uint16
//   exceptions   {distance from the one before in the page, code}, a byte each; where the next is further than 255
//                away, a code between is listed that the words hold as well
//
// Exceptions are put in page by page, since the branch behind the last of them is mispredicted.
//
// A panel may instead hold what has to be added to a coarser one of another packed rhs, which shares its memory:
// code = divisor * coarser code + own. That is what the planes of a dial are (infer/coded_network.hpp).

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/simd/digit_words.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// How often each code is there: code c at c + 128.
using code_counts = std::array<dim_t, 256>;

template <class Code>
void count_codes(const Code* codes, dim_t count, code_counts& counts) {
    for (dim_t i = 0; i < count; ++i) ++counts[static_cast<std::size_t>(codes[i] + 128)];
}

inline constexpr dim_t cache_line = 64; ///< bytes
/// Groups of a page.
inline constexpr dim_t page_groups = 8;

/// Bytes that counted codes take in a form, about: exceptions that are far apart take a few more.
inline dim_t compact_bytes(const code_counts& counts, const simd::word_form& form) {
    dim_t count = 0, beyond = 0;
    for (int c = -128; c < 128; ++c) {
        const dim_t n = counts[static_cast<std::size_t>(c + 128)];
        count += n;
        if (!form.holds(c)) beyond += n;
    }
    const dim_t groups = ceil_div(count, form.group());
    return groups * simd::bytes_of_group + ceil_div(groups, page_groups) * 2 + 2 * beyond;
}

/// The place in simd::word_forms of the form in which counted codes take least.
inline std::size_t best_form(const code_counts& counts) {
    std::size_t best = 0;
    for (std::size_t f = 1; f < simd::word_forms.size(); ++f)
        if (compact_bytes(counts, simd::word_forms[f]) < compact_bytes(counts, simd::word_forms[best])) best = f;
    return best;
}

/// Codes are of -127 .. 127, `Digit` is what the kernel reads: a byte or an int16.
template <class Digit>
class compact_panels {
public:
    compact_panels(dim_t panels, dim_t digits)
        : digits_(digits), panels_(static_cast<std::size_t>(panels)), fresh_(panels_.size()) {}

    /// Memory of its own.
    dim_t bytes() const { return memory_.size() + std::ssize(panels_) * static_cast<dim_t>(sizeof(place)); }

    /// Stores panel p; settle() comes when all are stored.
    void store(dim_t p, const Digit* panel) {
        std::vector<std::int8_t> codes(static_cast<std::size_t>(digits_));
        for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::int8_t>(panel[i]);
        fresh_[static_cast<std::size_t>(p)] = store_codes(codes);
    }
    /// Brings all panels into one piece of memory.
    void settle() { settle(std::move(fresh_)); }

    /// Expands the digits [first, end) of panel p to `out`.
    void expand(dim_t p, dim_t first, dim_t end, Digit* out) const {
        if (coarse_) coarse_->expand(p, first, end, out);
        const place& from = panels_[static_cast<std::size_t>(p)];
        const simd::word_form form = simd::word_forms[from.form];
        const dim_t group = form.group(), groups = ceil_div(digits_, group), page = page_groups * group;
        const auto* const words = reinterpret_cast<const std::uint16_t*>(memory_.data() + from.offset);
        const std::uint16_t* const counts = words + groups * simd::words_of_group;
        const auto* next = reinterpret_cast<const std::uint8_t*>(counts + ceil_div(groups, page_groups));
        for (dim_t n = 0; n < first / page; ++n) next += 2 * counts[n];
        alignas(64) std::int8_t codes[page_groups * simd::word_forms.front().group()];
        for (dim_t n = first / page; n * page < end; ++n) {
            const dim_t begin = std::max(first, n * page), stop = std::min(end, (n + 1) * page), g0 = begin / group,
                        g1 = ceil_div(stop, group);
            const bool direct =
                std::is_same_v<Digit, std::int8_t> && !coarse_ && begin == g0 * group && stop == g1 * group;
            std::int8_t* const to = direct ? reinterpret_cast<std::int8_t*>(out + (begin - first)) : codes;
            simd::expand_digits(from.form, words + g0 * simd::words_of_group, g1 - g0, to);
            put_exceptions(next, counts[n], to + (n * page - g0 * group), g0 * group - n * page, g1 * group - n * page);
            next += 2 * counts[n];
            if (!direct) deliver(codes + (begin - g0 * group), stop - begin, out + (begin - first));
        }
    }

    /// Stores these codes as what has to be added to `divisor` times those of `coarse`, if there are as many and that
    /// takes less memory; nothing changes otherwise. Returns whether.
    bool refine(const std::shared_ptr<const compact_panels>& coarse, int divisor) {
        if (!coarse || coarse->digits_ != digits_ || coarse->panels_.size() != panels_.size() || coarse_) return false;
        std::vector<stored_panel> parts(panels_.size());
        std::vector<Digit> own(static_cast<std::size_t>(digits_)), other(own.size());
        std::vector<std::int8_t> codes(own.size());
        dim_t sum = 0;
        for (std::size_t p = 0; p < panels_.size(); ++p) {
            expand(static_cast<dim_t>(p), 0, digits_, own.data());
            coarse->expand(static_cast<dim_t>(p), 0, digits_, other.data());
            for (std::size_t i = 0; i < codes.size(); ++i) {
                const int part = own[i] - divisor * other[i];
                if (part < -127 || part > 127) return false;
                codes[i] = static_cast<std::int8_t>(part);
            }
            parts[p] = store_codes(codes);
            sum += round_up(std::ssize(parts[p].memory), cache_line);
        }
        if (sum >= memory_.size()) return false;
        settle(std::move(parts));
        coarse_ = coarse, divisor_ = divisor;
        return true;
    }

private:
    struct stored_panel {
        std::size_t form = 0; ///< in simd::word_forms
        std::vector<std::uint8_t> memory;
    };
    struct place {
        std::size_t form = 0;
        dim_t offset = 0; ///< in memory_
    };

    void settle(std::vector<stored_panel> parts) {
        dim_t size = 0;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            panels_[p] = {parts[p].form, size};
            size += round_up(std::ssize(parts[p].memory), cache_line);
        }
        memory_ = buffer<std::uint8_t>(size);
        for (std::size_t p = 0; p < parts.size(); ++p)
            std::copy(parts[p].memory.begin(), parts[p].memory.end(), memory_.data() + panels_[p].offset);
    }

    /// Puts exceptions of a page in their places, of which those of [first, end) are there.
    static void put_exceptions(const std::uint8_t* list, dim_t count, std::int8_t* page, dim_t first, dim_t end) {
        const std::uint8_t* const behind = list + 2 * count;
        dim_t at = 0;
        for (; list != behind && (at += list[0]) < first; list += 2) {
        }
        if (list == behind) return;
        // two's complement
        while (at < end) {
            page[at] = static_cast<std::int8_t>(list[1]);
            list += 2;
            if (list == behind) return;
            at += list[0];
        }
    }

    /// Writes expanded codes, or adds them to what coarser ones left there.
    void deliver(const std::int8_t* codes, dim_t count, Digit* out) const {
        if (!coarse_) {
            std::copy_n(codes, count, out);
            return;
        }
        dim_t i = 0;
        if constexpr (std::is_same_v<Digit, std::int8_t>) {
            // bytes are multiplied as words: even ones from their low halves, odd ones from their high halves
            using vectors = simd::vector<std::uint16_t, simd::widest_words>;
            constexpr dim_t width = 2 * simd::widest_words;
            const vectors divisor = vectors{} + static_cast<std::uint16_t>(divisor_), low = vectors{} + 255;
            for (; i + width <= count; i += width) {
                const auto before = simd::load_vector<vectors>(out + i), own = simd::load_vector<vectors>(codes + i);
                const vectors even = before * divisor + own, odd = (before >> 8) * divisor + (own >> 8);
                simd::store_vector(out + i, (even & low) | odd << 8);
            }
        }
        for (; i < count; ++i) out[i] = static_cast<Digit>(out[i] * divisor_ + codes[i]);
    }

    /// A panel of codes in the form that takes least.
    static stored_panel store_codes(const std::vector<std::int8_t>& codes) {
        code_counts counts{};
        count_codes(codes.data(), std::ssize(codes), counts);
        stored_panel to;
        to.form = best_form(counts);
        to.memory = words_and_exceptions(simd::word_forms[to.form], codes);
        return to;
    }
    static std::vector<std::uint8_t> words_and_exceptions(const simd::word_form& form, std::vector<std::int8_t> codes) {
        const dim_t group = form.group(), groups = ceil_div(std::ssize(codes), group);
        codes.resize(static_cast<std::size_t>(groups * group)); // zeros
        std::vector<std::uint16_t> words(static_cast<std::size_t>(groups * simd::words_of_group));
        std::vector<std::uint8_t> exceptions;
        for (dim_t first = 0; first < groups; first += page_groups) {
            const dim_t last = std::min(groups, first + page_groups);
            std::int8_t* const part = codes.data() + first * group;
            const std::size_t others = exceptions.size();
            dim_t before = 0;
            const auto list = [&](dim_t at) {
                exceptions.push_back(static_cast<std::uint8_t>(at - before));
                exceptions.push_back(static_cast<std::uint8_t>(part[at]));
                before = at;
            };
            for (dim_t i = 0; i < (last - first) * group; ++i) {
                if (form.holds(part[i])) continue;
                while (i - before > 255) list(before + 255);
                list(i);
                part[i] = 0;
            }
            for (dim_t g = first; g < last; ++g)
                simd::write_digits(form, codes.data() + g * group, words.data() + g * simd::words_of_group);
            words.push_back(static_cast<std::uint16_t>((exceptions.size() - others) / 2));
        }
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(words.data());
        std::vector<std::uint8_t> memory(bytes, bytes + 2 * words.size());
        memory.insert(memory.end(), exceptions.begin(), exceptions.end());
        return memory;
    }

    dim_t digits_;
    int divisor_ = 1;
    std::vector<place> panels_;
    std::vector<stored_panel> fresh_; ///< until settle()
    buffer<std::uint8_t> memory_;
    std::shared_ptr<const compact_panels> coarse_;
};

} // namespace detail

/// The share of a byte that codes take on average in a packed rhs that is stored compactly (rhs_storage::compact),
/// about: 1 where that saves nothing.
inline double compact_share(std::span<const std::int8_t> codes) {
    detail::code_counts counts{};
    detail::count_codes(codes.data(), std::ssize(codes), counts);
    const dim_t bytes = detail::compact_bytes(counts, simd::word_forms[detail::best_form(counts)]);
    return codes.empty() ? 1.0 : std::min(1.0, static_cast<double>(bytes) / static_cast<double>(codes.size()));
}

} // namespace intaglio::inline INTAGLIO_ABI
