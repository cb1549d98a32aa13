// SPDX-License-Identifier: Apache-2.0
#pragma once

// The right-hand side as the kernel reads it: panels of nr columns, in each of them the steps of the atom one after the
// other. It is packed once, never changes, and any number of products and threads may use it at a time.
//
//   panel (nr = 4, k = 2)      step 0: b00 b10 b01 b11 b02 b12 b03 b13   step 1: b20 b30 b21 b31 ...   b(k, column)
//
// Columns beyond n and elements beyond the end of a run are zeros. A panel is a list of runs: one per plane where a
// scale holds for the whole reduction, one per block and plane where it holds for a block.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/gemm/measure.hpp"
#include "intaglio/gemm/range.hpp"
#include "intaglio/simd/expand.hpp"
#include "intaglio/simd/transpose.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// Plane `p` of `planes` that a value is taken apart into: all of it, or its high (signed) and low byte. A value of one
/// byte is that plane already.
template <class Digit, int planes, class T>
constexpr Digit digit_of(T value, int p) {
    if constexpr (planes == 1)
        return static_cast<Digit>(value);
    else if constexpr (is_byte<T>)
        return static_cast<Digit>(p == 0 ? static_cast<std::int8_t>(value) : value);
    else
        return static_cast<Digit>(p == 0 ? value >> 8 : value & 255);
}

} // namespace detail

/// How a packed rhs of codes is stored. `fast` folds scales into bytes where that saves the flush of each block;
/// `small` keeps codes of up to 4 bits narrow in any case, which is also faster where few rows of lhs read weights that
/// lie outside the caches; `smallest` stores five trits in a byte, a fifth less memory than `small`, and is slower to
/// expand. It is the same as `small` for other codes. Results are the same.
enum class rhs_storage { fast, small, smallest };

template <GemmPolicy P, class Arch = simd::native_arch>
class packed_rhs {
public:
    using traits = detail::kernel_traits<P, Arch>;
    using digit = typename traits::rhs_digit;

    dim_t k() const { return k_; }
    dim_t n() const { return n_; }
    dim_t panels() const { return detail::ceil_div(n_, traits::cols); }
    /// Proven policies: the largest magnitude of any element.
    std::int32_t largest() const { return largest_.empty() ? 0 : *std::max_element(largest_.begin(), largest_.end()); }
    /// Memory held: digits, scales and norms.
    dim_t bytes() const {
        return data_.size() * static_cast<dim_t>(sizeof(digit)) + narrow_data_.size() +
               scales_.size() * static_cast<dim_t>(sizeof(block_scale)) +
               (norms_.empty() ? 0 : panels() * static_cast<dim_t>(norms_.front().values().size() * sizeof(float))) +
               static_cast<dim_t>(factors_.size() * sizeof(double));
    }

    // Read by the driver.
    using block_scale = std::conditional_t<traits::integer_scales, std::uint8_t, float>;
    const std::vector<detail::rhs_run>& runs() const { return runs_; }
    /// The digits of panel p, only where they are not narrow.
    const digit* panel(dim_t p) const { return data_.data() + p * panel_digits_; }
    /// Digits are stored in less than a byte each, in groups of 64 bytes (simd/expand.hpp).
    bool narrow() const { return narrow_; }
    /// Five digits in a byte; otherwise narrow ones have traits::narrow_bits each, and every run begins with a group.
    bool five_in_a_byte() const { return fives_; }
    /// Digits of a group.
    dim_t narrow_group() const {
        return fives_ ? simd::trit_group : simd::narrow_group<std::max(1, traits::narrow_bits)>;
    }
    /// Panel p, only where its digits have traits::narrow_bits each.
    simd::narrow_codes<traits::narrow_bits> narrow_panel(dim_t p) const { return {narrow_groups(p, 0)}; }
    /// Expands `count` digits of panel p from `first` on, both multiples of a group, to `out`.
    void expand(dim_t p, dim_t first, dim_t count, digit* out) const {
        if constexpr (traits::narrow_bits > 0) {
            if (fives_)
                simd::expand_trits(narrow_groups(p, first), count / narrow_group(), out);
            else
                simd::expand<traits::narrow_bits>(narrow_groups(p, first), count / narrow_group(), out);
        }
    }
    /// The block scales of panel p, one for each column and scale index.
    const block_scale* scales(dim_t p) const { return scales_.data() + p * scale_rows_ * traits::cols; }
    /// By scale index, whether that run is all zeros in panel p; products skip such runs. Empty where there is none.
    std::span<const char> zero_runs(dim_t p) const {
        if (!any_zero_run_[static_cast<std::size_t>(p)]) return {};
        return std::span(zero_runs_)
            .subspan(static_cast<std::size_t>(p * scale_rows_), static_cast<std::size_t>(scale_rows_));
    }
    /// The norms of panel p.
    const detail::norm_table& norms(dim_t p) const { return norms_[static_cast<std::size_t>(p)]; }
    /// The block scales are folded into the digits; there is one run and no scales.
    bool folded() const { return folded_; }
    /// Exact int32 totals: no sum of this panel's columns, times scales, with elements of lhs up to 1, is larger.
    std::int64_t unit_bound(dim_t p) const { return unit_bounds_[static_cast<std::size_t>(p)]; }
    /// scale * row scale of column j, without lhs's part; padded to whole panels.
    const double* factors() const { return factors_.data(); }

    template <class V>
    static packed_rhs make(const detail::rhs_rows<typename P::rhs::storage>& rows, dim_t k, dim_t n, const V& view,
                           executor_ref exec, rhs_storage storage = rhs_storage::fast,
                           detail::zero_padding padding = {}) {
        packed_rhs out;
        out.k_ = k;
        out.n_ = n;
        if constexpr (traits::can_fold_scales) out.folded_ = storage == rhs_storage::fast && scales_fold(view, k, n);
        if (traits::block > 0 && !out.folded_) padding = {}; // a block of scales would be cut
        out.k_ = padding.depth(k);
        out.narrow_ = traits::narrow_bits > 0 && !out.folded_;
        out.fives_ = out.narrow_ && traits::narrow_bits == 2 && storage == rhs_storage::smallest;
        const bool fills = out.lay_out() && !out.folded_ && padding.none();
        out.copy_scales(view);
        exec.for_each(out.panels(), [&](dim_t p, int) {
            buffer<digit> own(out.narrow_ ? out.panel_digits_ : 0);
            digit* panel = out.narrow_ ? own.data() : out.data_.data() + p * out.panel_digits_;
            if (!out.narrow_ && !(fills && (p + 1) * traits::cols <= n))
                std::fill_n(panel, out.panel_digits_, digit{0});
            if (!out.folded_)
                out.pack_panel(rows, view.plane_stride, padding, p, panel);
            else if constexpr (traits::can_fold_scales)
                out.pack_folded(rows, view, k, padding, p, panel);
            if constexpr (std::is_same_v<typename P::total, std::int32_t>) out.bound(p, panel);
            if constexpr (traits::narrow_bits > 0)
                if (out.narrow_) out.store_narrow(p, panel);
        });
        return out;
    }

private:
    /// True where the runs are whole steps and fill a panel, as its elements do where columns are whole and no zeros
    /// are put in.
    bool lay_out() {
        dim_t offset = 0;
        const auto add = [&](dim_t from, dim_t length, int plane, int scale) {
            runs_.push_back({from, length, offset, plane, scale});
            offset += detail::ceil_div(length, traits::k) * traits::k * traits::cols;
            if (narrow_ && !fives_) offset = detail::round_up(offset, narrow_group());
        };
        if (folded_) {
            add(0, k_, 0, 0);
        } else if constexpr (traits::block > 0) {
            int scale = 0;
            for (dim_t b = 0; b * traits::block < k_; ++b)
                for (int p = 0; p < traits::rhs_planes; ++p)
                    add(b * traits::block, std::min(traits::block, k_ - b * traits::block), p, scale++);
            scale_rows_ = scale;
            zero_runs_.assign(static_cast<std::size_t>(panels() * scale_rows_), 0);
            // the policy's chains, each padded to whole steps
        } else if constexpr (traits::float_total && !traits::floats) {
            for (dim_t from = 0; from < k_; from += traits::longest_chain())
                add(from, std::min(traits::longest_chain(), k_ - from), 0, 0);
        } else {
            for (int p = 0; p < traits::rhs_planes; ++p) add(0, k_, p, 0);
        }
        panel_digits_ = detail::round_up(offset, narrow_ ? narrow_group()
                                                         : std::max<dim_t>(1, 64 / static_cast<dim_t>(sizeof(digit))));
        if (narrow_)
            narrow_data_ = buffer<std::uint8_t>(panels() * panel_digits_ / narrow_group() * 64);
        else
            data_ = buffer<digit>(panels() * panel_digits_, uninitialized);
        scales_ = buffer<block_scale>(panels() * scale_rows_ * traits::cols);
        if constexpr (std::is_same_v<typename P::total, std::int32_t>)
            unit_bounds_.assign(static_cast<std::size_t>(panels()), 0);
        any_zero_run_.assign(static_cast<std::size_t>(panels()), 0);
        factors_.assign(static_cast<std::size_t>(panels() * traits::cols), 0.0);
        if constexpr (traits::proven) {
            norms_.resize(static_cast<std::size_t>(panels()));
            largest_.resize(norms_.size());
        }
        return offset == panel_digits_ &&
               std::all_of(runs_.begin(), runs_.end(), [](const auto& run) { return run.length % traits::k == 0; });
    }

    /// The groups of panel p from digit `first` on, a multiple of a group.
    const std::uint8_t* narrow_groups(dim_t p, dim_t first) const {
        return narrow_data_.data() + (p * panel_digits_ + first) / narrow_group() * 64;
    }

    void store_narrow(dim_t p, const digit* panel) {
        const dim_t groups = panel_digits_ / narrow_group();
        std::uint8_t* const out = narrow_data_.data() + p * groups * 64;
        if (fives_)
            simd::narrow_trits(panel, groups, out);
        else
            simd::narrow<traits::narrow_bits>(panel, groups, out);
    }

    /// Not inlined: GCC 12 would take a caller's array of scales for uninitialized.
    template <class V>
    [[gnu::noinline]] void copy_scales(const V& view) {
        constexpr bool by_column = P::rhs::sharing::by_row && P::rhs::block == 0;
        if constexpr (by_column)
            for (dim_t j = 0; j < n_; ++j)
                factors_[static_cast<std::size_t>(j)] = view.scale * static_cast<double>(view.scales[j]);
        else
            std::fill_n(factors_.begin(), n_, view.scale);
        if (folded_) return;
        if constexpr (P::rhs::block > 0) {
            const dim_t blocks = detail::ceil_div(k_, traits::block);
            for (dim_t j = 0; j < n_; ++j)
                for (dim_t b = 0; b < blocks; ++b)
                    for (dim_t p = 0; p < traits::rhs_planes; ++p) {
                        const dim_t row = j / traits::cols * scale_rows_ + b * traits::rhs_planes + p;
                        scales_[row * traits::cols + j % traits::cols] =
                            static_cast<block_scale>(view.scales[(p * n_ + j) * blocks + b]);
                    }
        } else if constexpr (traits::block > 0) { // only lhs has scales per block
            std::fill(scales_.begin(), scales_.end(), block_scale{1});
        }
    }

    /// Whether every sum over planes of scale * digit fits a signed byte.
    template <class V>
    static bool scales_fold(const V& view, dim_t k, dim_t n) {
        const dim_t blocks = detail::ceil_div(k, traits::block);
        for (dim_t e = 0; e < n * blocks; ++e) {
            dim_t sum = 0;
            for (dim_t p = 0; p < traits::rhs_planes; ++p) sum += view.scales[p * n * blocks + e];
            if (sum * P::rhs::format::max_magnitude > 127) return false;
        }
        return true;
    }

    template <class V>
    void pack_folded(const detail::rhs_rows<typename P::rhs::storage>& rows, const V& view, dim_t depth,
                     detail::zero_padding padding, dim_t panel, digit* out) const {
        const dim_t first = panel * traits::cols, count = std::min<dim_t>(traits::cols, n_ - first),
                    blocks = detail::ceil_div(depth, traits::block);
        for (dim_t j = 0; j < count; ++j)
            for (dim_t k = 0; k < depth; ++k) {
                const dim_t at = padding.place(k);
                int sum = 0;
                for (dim_t p = 0; p < traits::rhs_planes; ++p)
                    sum += rows.row(k)[p * view.plane_stride + (first + j) * rows.col_stride] *
                           view.scales[(p * n_ + first + j) * blocks + k / traits::block];
                out[at / traits::rhs_group * (traits::rhs_group * traits::cols) + j * traits::rhs_group +
                    at % traits::rhs_group] = static_cast<digit>(sum);
            }
    }

    void pack_panel(const detail::rhs_rows<typename P::rhs::storage>& rows, dim_t plane_stride,
                    detail::zero_padding padding, dim_t p, digit* panel) {
        const dim_t first = p * traits::cols, count = std::min<dim_t>(traits::cols, n_ - first);
        for (const detail::rhs_run& run : runs_) {
            auto source = rows;
            const int storage_plane = run.plane % detail::stored_planes<typename P::rhs::format>,
                      split = run.plane % traits::split_planes;
            source.data += storage_plane * plane_stride;
            digit* out = panel + run.offset;
            for (dim_t piece = 0; piece < padding.pieces(run.length); ++piece) { // with zeros behind each
                detail::rhs_run part = run;
                if (!padding.none()) {
                    part.k = piece * padding.length;
                    part.length = padding.length;
                }
                digit* const to = out + piece * padding.padded * traits::cols;
                if (rows.col_stride == 1)
                    pack_by_rows(source, first, count, part, split, to);
                else
                    pack_by_columns(source, first, count, part, split, to);
            }
            if constexpr (traits::block > 0) {
                const digit* end = out + detail::ceil_div(run.length, traits::k) * traits::k * traits::cols;
                const bool zeros = std::all_of(static_cast<const digit*>(out), end, [](digit d) { return d == 0; });
                zero_runs_[static_cast<std::size_t>(p * scale_rows_ + run.scale)] = zeros;
                if (zeros) any_zero_run_[static_cast<std::size_t>(p)] = 1;
            }
        }
        if constexpr (traits::proven) measure(p);
    }

    /// Rows of rhs are contiguous (n ascending): k of them are interleaved, by vectors where they hold the digits as
    /// they are.
    static void pack_by_rows(const detail::rhs_rows<typename P::rhs::storage>& rows, dim_t first, dim_t count,
                             const detail::rhs_run& run, int split, digit* __restrict out) {
        constexpr int k = traits::rhs_group;
        constexpr bool whole_digits = traits::cols % 8 == 0 && traits::stores_rhs_digits;
        for (dim_t s = 0; s < run.length; s += k, out += k * traits::cols) {
            const auto row = [&](dim_t q) { return rows.row(run.k + s + q) + first; };
            if (count == traits::cols && s + k <= run.length) {
                if constexpr (whole_digits && k == 2) {
                    simd::interleave<traits::cols>(row(0), row(1), out);
                    continue;
                } else if constexpr (whole_digits && k == 4) {
                    simd::interleave<traits::cols>(row(0), row(1), row(2), row(3), out);
                    continue;
                }
            }
            for (dim_t q = 0; q < std::min<dim_t>(k, run.length - s); ++q) {
                const auto* values = row(q);
                for (dim_t j = 0; j < count; ++j)
                    out[j * k + q] = detail::digit_of<digit, traits::split_planes>(values[j], split);
            }
        }
    }

    /// Columns of rhs are contiguous (k ascending), as the rows of a weight matrix are: k elements of each are copied
    /// at a time. Where those are four bytes, as they mostly are, the panel is the transposed matrix of such words.
    static void pack_by_columns(const detail::rhs_rows<typename P::rhs::storage>& rows, dim_t first, dim_t count,
                                const detail::rhs_run& run, int split, digit* __restrict out) {
        constexpr int k = traits::rhs_group;
        if constexpr (traits::stores_rhs_digits && k * sizeof(digit) == 4) {
            typedef std::int32_t word __attribute__((may_alias));
            const auto* in = rows.data + run.k + first * rows.col_stride;
            if (!rows.offsets && rows.row_stride == 1 && rows.col_stride % k == 0 &&
                reinterpret_cast<std::uintptr_t>(in) % sizeof(word) == 0 && run.length % k == 0) {
                // words of each column at a time, so that the panel's lines stay in L1 until they are full
                constexpr dim_t strip = 64;
                for (dim_t w = 0; w < run.length / k; w += strip)
                    simd::transpose(reinterpret_cast<const word*>(in) + w, rows.col_stride / k, count,
                                    std::min(strip, run.length / k - w),
                                    reinterpret_cast<word*>(out) + w * traits::cols, traits::cols);
                return;
            }
        }
        for (dim_t j = 0; j < count; ++j) {
            digit* column = out + j * k;
            dim_t s = 0;
            if (!rows.offsets && rows.row_stride == 1) {
                const auto* in = rows.row(run.k) + (first + j) * rows.col_stride;
                for (; s + k <= run.length; s += k)
                    for (dim_t q = 0; q < k; ++q)
                        column[s * traits::cols + q] = detail::digit_of<digit, traits::split_planes>(in[s + q], split);
            }
            for (; s < run.length; ++s)
                column[s / k * (k * traits::cols) + s % k] = detail::digit_of<digit, traits::split_planes>(
                    rows.row(run.k + s)[(first + j) * rows.col_stride], split);
        }
    }

    /// unit_bound of the panel just packed: the largest l1 norm of its columns, scales included.
    void bound(dim_t p, const digit* panel) {
        constexpr dim_t group = traits::rhs_group, lanes = group * traits::cols;
        std::int64_t sums[traits::cols] = {};
        for (const detail::rhs_run& run : runs_) {
            std::int32_t magnitudes[lanes] = {};
            const digit* __restrict v = panel + run.offset;
            for (dim_t s = 0; s < detail::round_up(run.length, traits::k); s += group, v += lanes)
                for (dim_t e = 0; e < lanes; ++e) magnitudes[e] += v[e] < 0 ? -v[e] : v[e];
            for (dim_t e = 0; e < lanes; ++e) {
                const bool scaled = traits::integer_scales && !folded_;
                const dim_t scale = run.scale * traits::cols + e / group;
                sums[e / group] += magnitudes[e] * (scaled ? static_cast<std::int64_t>(scales(p)[scale]) : 1);
            }
        }
        unit_bounds_[static_cast<std::size_t>(p)] = *std::max_element(sums, sums + traits::cols);
    }

    /// Norms of the panel just packed, the largest of its columns, and its largest magnitude.
    void measure(dim_t p) {
        using atom = typename traits::atom;
        detail::square_sums most(k_);
        for (dim_t j = 0; j < traits::cols; j += atom::n)
            detail::measure_pairs<atom>(panel(p) + j * traits::k, k_, traits::k * traits::cols, most);
        norms_[static_cast<std::size_t>(p)] = detail::norms_of(most, k_);
        digit low = 0, high = 0;
        for (const digit *v = panel(p), *end = v + detail::round_up(k_, traits::k) * traits::cols; v != end; ++v) {
            low = std::min(low, *v);
            high = std::max(high, *v);
        }
        largest_[static_cast<std::size_t>(p)] = std::max<std::int32_t>(high, -static_cast<std::int32_t>(low));
    }

    dim_t k_ = 0, n_ = 0, panel_digits_ = 0, scale_rows_ = 0;
    bool folded_ = false, narrow_ = false, fives_ = false;
    std::vector<detail::rhs_run> runs_;
    buffer<digit> data_;
    buffer<std::uint8_t> narrow_data_;
    buffer<block_scale> scales_;
    std::vector<double> factors_;
    std::vector<std::int64_t> unit_bounds_;
    std::vector<char> zero_runs_;    ///< by panel and scale index
    std::vector<char> any_zero_run_; ///< by panel
    std::vector<detail::norm_table> norms_;
    std::vector<std::int32_t> largest_; ///< by panel
};

/// Packs rhs (k x n). Throws shape_error or value_error if the view is inconsistent, a reduction is too long for the
/// policy's total, or an element is outside its format. Convolutions ask for `padding` within the reduction, which is
/// left out where it would cut a block of scales.
template <GemmPolicy P, class Arch = simd::native_arch>
packed_rhs<P, Arch> pack_rhs(const rhs_view<P>& rhs, executor_ref exec = {}, rhs_storage stored = rhs_storage::fast,
                             detail::zero_padding padding = {}) {
    detail::check_operand<typename P::rhs>("rhs", rhs);
    detail::check_reduction<P>(rhs.values.rows);
    using storage = typename P::rhs::storage;
    using format = typename P::rhs::format;
    const detail::rhs_rows<storage> rows{rhs.values.data, rhs.values.row_stride, rhs.values.col_stride};
    const dim_t k = rhs.values.rows, n = rhs.values.cols;
    if constexpr (!detail::kernel_traits<P, Arch>::proven)
        for (int p = 0; p < (k > 0 && n > 0 ? detail::stored_planes<format> : 0); ++p)
            detail::require_range<format>(
                "rhs", detail::rhs_rows<storage>{rows.data + p * rhs.plane_stride, rows.row_stride, rows.col_stride}, k,
                n);
    auto packed = packed_rhs<P, Arch>::make(rows, k, n, rhs, exec, stored, padding);
    detail::require_proven_range<P>("rhs", packed.largest(), rows, k, n);
    return packed;
}

} // namespace intaglio::inline INTAGLIO_ABI
