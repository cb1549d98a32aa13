// SPDX-License-Identifier: Apache-2.0
#pragma once

// Entropy coding of small integers, near Shannon's bound (rANS, range asymmetric numeral systems: J. Duda,
// arXiv 1311.2540; the interleaving is F. Giesen's, arXiv 1402.3392). Each code i of a table has a frequency f_i out of
// 2^12 and takes about log2(2^12 / f_i) bits. Four states take turns, so that a decoder works on four codes at once.
//
//   coding a code with frequency f from `first` on    x' = (x / f) 2^12 + first + x mod f
//   decoding                                          slot = x mod 2^12 tells the code;
//                                                     x' = f (x / 2^12) + slot - first
//
// A state stays in 2^16 .. 2^32: before it would grow beyond, its low 16 bits go out as a word, and come back when it
// has fallen below. What is written, little-endian:
//
//   4 bytes    number of codes in the table, n: 1 .. 255
//   3 n bytes  each code (signed byte) and its frequency (16 bits), ascending codes, frequencies of 1 .. 2^12 that sum
//              to 2^12
//   16 bytes   the four states where the decoder begins
//   the rest   words of 16 bits
//
// A decoder trusts nothing: a table that is not as above, words that run out or are left over, states that don't end
// where coding began are refused. It takes no memory but its table of 2^12 entries.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

namespace detail {

inline constexpr std::uint32_t rans_bits = 12, rans_scale = std::uint32_t{1} << rans_bits,
                               rans_least = std::uint32_t{1} << 16;
inline constexpr std::size_t rans_states = 4;

/// Frequencies out of 2^12 for counts of the 256 values: at least 1 for what occurs, the rest in proportion.
inline std::array<std::uint32_t, 256> rans_frequencies(const std::array<std::size_t, 256>& counts, std::size_t total) {
    std::array<std::uint32_t, 256> f{};
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < 256; ++i)
        if (counts[i] > 0) {
            const double share = static_cast<double>(counts[i]) / static_cast<double>(total);
            f[i] = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(share * rans_scale + 0.5));
            sum += f[i];
        }
    // what is too much or too little goes where a step changes the size least, one by one
    while (sum != rans_scale) {
        std::size_t best = 256;
        double least = 0;
        for (std::size_t i = 0; i < 256; ++i) {
            if (f[i] == 0 || (sum > rans_scale && f[i] == 1)) continue;
            const double c = static_cast<double>(counts[i]), old = f[i];
            const double price = sum > rans_scale ? c * std::log2(old / (old - 1)) : -c * std::log2((old + 1) / old);
            if (best == 256 || price < least) best = i, least = price;
        }
        f[best] += sum > rans_scale ? std::uint32_t{0} - 1 : 1;
        sum += sum > rans_scale ? -1 : 1;
    }
    return f;
}

inline std::size_t rans_index(std::int8_t code) { return static_cast<std::size_t>(int{code} + 128); }

} // namespace detail

/// Codes as bytes; nothing for no codes.
inline std::vector<std::byte> rans_encode(std::span<const std::int8_t> codes) {
    using namespace detail;
    if (codes.empty()) return {};
    std::array<std::size_t, 256> counts{};
    for (const std::int8_t c : codes) ++counts[rans_index(c)];
    const std::array<std::uint32_t, 256> f = rans_frequencies(counts, codes.size());
    std::array<std::uint32_t, 256> first{};
    std::uint32_t used = 0;
    std::vector<std::byte> out(4);
    const auto put = [&](auto value) {
        for (std::size_t b = 0; b < sizeof value; ++b)
            out.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * b) & 255));
    };
    for (std::size_t i = 0, sum = 0; i < 256; ++i) {
        first[i] = static_cast<std::uint32_t>(sum);
        sum += f[i];
        if (f[i] == 0) continue;
        ++used;
        out.push_back(static_cast<std::byte>(static_cast<std::uint8_t>(static_cast<int>(i) - 128)));
        put(static_cast<std::uint16_t>(f[i]));
    }
    require<value_error>(used <= 255, "rans: codes of 256 values; at most 255 can be coded");
    out[0] = static_cast<std::byte>(used);

    std::array<std::uint32_t, rans_states> states;
    states.fill(rans_least);
    std::vector<std::uint16_t> words; // the last comes out first
    for (std::size_t i = codes.size(); i-- > 0;) {
        std::uint32_t& x = states[i % rans_states];
        const std::size_t at = rans_index(codes[i]);
        const std::uint32_t frequency = f[at];
        if (static_cast<std::uint64_t>(x) >= static_cast<std::uint64_t>(frequency) << (32 - rans_bits)) {
            words.push_back(static_cast<std::uint16_t>(x & 0xFFFF));
            x >>= 16;
        }
        x = ((x / frequency) << rans_bits) + first[at] + x % frequency;
    }
    for (const std::uint32_t x : states) put(x);
    for (auto w = words.rbegin(); w != words.rend(); ++w) put(*w);
    return out;
}

/// Decodes as many codes as `codes` has. Throws file_error, which begins with `name`, for bytes that rans_encode did
/// not make; `codes` is undefined then.
inline void rans_decode(std::span<const std::byte> bytes, const std::string& name, std::span<std::int8_t> codes) {
    using namespace detail;
    const auto refuse = [&](bool good, const char* fault) {
        require<file_error>(good, name, ": entropy-coded bytes: ", fault);
    };
    if (codes.empty()) return refuse(bytes.empty(), "there are some for no codes");
    // frequency - 1 in the low 12 bits, slot - first in the next 12, then the code: what a step needs, in one word
    std::array<std::uint32_t, rans_scale> table;
    const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(bytes[i]); };
    refuse(bytes.size() >= 4, "cut in the table");
    const std::size_t n = at(0);
    refuse(n >= 1 && at(1) == 0 && at(2) == 0 && at(3) == 0, "a table of another size than 1 to 255");
    refuse(bytes.size() >= 4 + 3 * n + 4 * rans_states, "cut in the table");
    std::uint32_t sum = 0;
    int before = -129;
    for (std::size_t i = 4; i < 4 + 3 * n; i += 3) {
        const auto code = static_cast<std::int8_t>(static_cast<std::uint8_t>(at(i)));
        const std::uint32_t frequency = at(i + 1) | at(i + 2) << 8;
        refuse(code > before, "codes of the table don't ascend");
        refuse(frequency >= 1 && frequency <= rans_scale - sum, "frequencies of the table don't sum to 4096");
        for (std::uint32_t k = 0; k < frequency; ++k)
            table[sum + k] = (frequency - 1) | k << rans_bits | at(i) << (2 * rans_bits);
        sum += frequency;
        before = code;
    }
    refuse(sum == rans_scale, "frequencies of the table don't sum to 4096");

    const std::byte* next = bytes.data() + 4 + 3 * n;
    const std::byte* const end = bytes.data() + bytes.size();
    std::array<std::uint32_t, rans_states> states;
    for (std::uint32_t& x : states) {
        x = 0;
        for (std::size_t b = 0; b < 4; ++b) x |= static_cast<std::uint32_t>(*next++) << (8 * b);
        refuse(x >= rans_least, "a state is below 2^16");
    }
    refuse((end - next) % 2 == 0, "an odd number of bytes");
    const auto step = [&](std::uint32_t & x, std::int8_t & code) __attribute__((always_inline)) {
        const std::uint32_t s = table[x & (rans_scale - 1)];
        code = static_cast<std::int8_t>(static_cast<std::uint8_t>(s >> (2 * rans_bits)));
        x = ((s & (rans_scale - 1)) + 1) * (x >> rans_bits) + (s >> rans_bits & (rans_scale - 1));
    };
    const auto refill = [&](std::uint32_t & x) __attribute__((always_inline)) {
        // without a branch: one in six codes takes a word, and nobody can guess which
        const bool below = x < rans_least;
        const std::uint32_t filled =
            x << 16 | static_cast<std::uint32_t>(next[0]) | static_cast<std::uint32_t>(next[1]) << 8;
        x = below ? filled : x;
        next += below ? 2 : 0;
    };
    std::size_t i = 0;
    std::uint32_t a = states[0], b = states[1], c = states[2], d = states[3];
    for (; i + rans_states <= codes.size() && end - next >= static_cast<std::ptrdiff_t>(2 * rans_states);
         i += rans_states) {
        step(a, codes[i]), step(b, codes[i + 1]), step(c, codes[i + 2]), step(d, codes[i + 3]);
        refill(a), refill(b), refill(c), refill(d);
    }
    states = {a, b, c, d};
    for (; i < codes.size(); ++i) {
        std::uint32_t& x = states[i % rans_states];
        step(x, codes[i]);
        if (x < rans_least) {
            refuse(end - next >= 2, "words run out");
            refill(x);
        }
    }
    refuse(next == end, "words are left over");
    for (const std::uint32_t x : states) refuse(x == rans_least, "a state does not end where coding began");
}

} // namespace intaglio::inline INTAGLIO_ABI::io
