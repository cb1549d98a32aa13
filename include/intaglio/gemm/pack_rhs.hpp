// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a right-hand side becomes panels (rhs_layout.hpp): every plane is taken apart into the kernel's digits and
// interleaved as the atom reads them, or the planes of an element are summed, times their scales, into one byte. What
// is made is a packed_rhs.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/gemm/packed_rhs.hpp"
#include "intaglio/gemm/range.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/simd/transpose.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// Packs the rows of one rhs; `V` is an rhs_view, of which the scales and the plane stride are used.
template <class P, class Arch>
class rhs_packer {
public:
    using packed = packed_rhs<P, Arch>;
    using traits = kernel_traits<P, Arch>;
    using digit = typename traits::rhs_digit;
    using rows_type = rhs_rows<typename P::rhs::storage>;

    /// `memory`: of a packed rhs that nobody needs any more.
    rhs_packer(const rows_type& rows, dim_t k, dim_t n, const rhs_view<P>& view, rhs_storage storage,
               zero_padding padding, packed&& memory)
        : rows_(rows), depth_(k), view_(view), scales_(view.scales.data()), padding_(padding), out_(std::move(memory)) {
        bool folded = false;
        if constexpr (traits::can_fold_scales) folded = storage == rhs_storage::fast && scales_fold(n);
        if (traits::block > 0 && !folded) padding_ = {}; // a block of scales would be cut
        out_.layout_ = rhs_layout<traits>(padding_.depth(k), n, storage, folded);
    }

    packed pack(executor_ref exec) {
        const float_environment scope;
        const auto& layout = out_.layout_;
        if constexpr (traits::narrow_bits > 0)
            if (layout.narrow) out_.narrow_ = {layout.panels(), layout.panel_digits, layout.fives};
        if constexpr (traits::can_be_compact) {
            out_.compact_ = nullptr;
            if (layout.compact) compact_ = std::make_shared<compact_type>(layout.panels(), layout.panel_digits);
        }
        const dim_t digits = layout.narrow || layout.compact ? 0 : layout.panels() * layout.panel_digits;
        if (out_.data_.size() != digits) out_.data_ = buffer<digit>(digits, uninitialized);
        out_.zero_runs_.assign(static_cast<std::size_t>(layout.panels() * layout.scale_rows), 0);
        out_.any_zero_run_.assign(static_cast<std::size_t>(layout.panels()), 0);
        out_.bounds_ = rhs_bounds<traits>(layout.panels());
        out_.whole_chains_ = false;
        copy_scales();
        exec.for_each(layout.panels(), [&](dim_t p, int) { pack_panel(p); });
        if constexpr (traits::can_be_compact)
            if (compact_) {
                compact_->settle();
                out_.compact_ = std::move(compact_);
            }
        return std::move(out_);
    }

private:
    void pack_panel(dim_t p) {
        const auto& layout = out_.layout_;
        const bool expanded = layout.narrow || layout.compact; // when it is used
        buffer<digit> own(expanded ? layout.panel_digits : 0);
        digit* const panel = expanded ? own.data() : out_.data_.data() + p * layout.panel_digits;
        const bool fills = layout.filled && !layout.folded && padding_.none() && (p + 1) * traits::cols <= layout.n;
        if (!expanded && !fills) std::fill_n(panel, layout.panel_digits, digit{0});
        if (!layout.folded)
            pack_runs(p, panel);
        else if constexpr (traits::can_fold_scales)
            pack_folded(p, panel);
        const std::uint8_t* scales = nullptr;
        if constexpr (traits::integer_scales)
            if (!layout.folded) scales = out_.scales(p);
        out_.bounds_.measure(layout, p, panel, scales);
        if constexpr (traits::narrow_bits > 0)
            if (layout.narrow) out_.narrow_.store(p, panel);
        if constexpr (traits::can_be_compact)
            if (layout.compact) compact_->store(p, panel);
    }

    /// Not inlined: GCC 12 would take a caller's array of scales for uninitialized.
    [[gnu::noinline]] void copy_scales() {
        const auto& layout = out_.layout_;
        out_.scales_ = buffer<typename traits::block_scale>(layout.panels() * layout.scale_rows * traits::cols);
        out_.factors_.assign(static_cast<std::size_t>(layout.panels() * traits::cols), 0.0);
        constexpr bool by_column = P::rhs::sharing::by_row && P::rhs::block == 0;
        if constexpr (by_column)
            for (dim_t j = 0; j < layout.n; ++j)
                out_.factors_[static_cast<std::size_t>(j)] = view_.scale * static_cast<double>(scales_[j]);
        else
            std::fill_n(out_.factors_.begin(), layout.n, view_.scale);
        if (layout.folded) return;
        if constexpr (P::rhs::block > 0) {
            const dim_t blocks = ceil_div(layout.k, traits::block);
            for (dim_t j = 0; j < layout.n; ++j)
                for (dim_t b = 0; b < blocks; ++b)
                    for (dim_t p = 0; p < traits::rhs_planes; ++p) {
                        const dim_t row = j / traits::cols * layout.scale_rows + b * traits::rhs_planes + p;
                        out_.scales_[row * traits::cols + j % traits::cols] =
                            static_cast<typename traits::block_scale>(scales_[(p * layout.n + j) * blocks + b]);
                    }
            if constexpr (traits::float_total)
                out_.largest_scale_ =
                    std::bit_cast<float>(largest_magnitude_bits(view_.scales.data(), std::ssize(view_.scales)));
        } else if constexpr (traits::block > 0 || traits::cut_by_sums) { // only lhs has scales per block, or nobody
            std::fill(out_.scales_.begin(), out_.scales_.end(), typename traits::block_scale{1});
        }
    }

    /// Whether every sum over planes of scale * digit fits a signed byte.
    bool scales_fold(dim_t n) const {
        const dim_t blocks = ceil_div(depth_, traits::block);
        for (dim_t e = 0; e < n * blocks; ++e) {
            dim_t sum = 0;
            for (dim_t p = 0; p < traits::rhs_planes; ++p) sum += scales_[p * n * blocks + e];
            if (sum * P::rhs::format::max_magnitude > 127) return false;
        }
        return true;
    }

    void pack_folded(dim_t panel, digit* out) const {
        const dim_t n = out_.layout_.n, first = panel * traits::cols, count = std::min<dim_t>(traits::cols, n - first),
                    blocks = ceil_div(depth_, traits::block);
        for (dim_t j = 0; j < count; ++j)
            for (dim_t k = 0; k < depth_; ++k) {
                const dim_t at = padding_.place(k);
                int sum = 0;
                for (dim_t p = 0; p < traits::rhs_planes; ++p)
                    sum += rows_.row(k)[p * view_.plane_stride + (first + j) * rows_.col_stride] *
                           scales_[(p * n + first + j) * blocks + k / traits::block];
                out[at / traits::rhs_group * (traits::rhs_group * traits::cols) + j * traits::rhs_group +
                    at % traits::rhs_group] = static_cast<digit>(sum);
            }
    }

    void pack_runs(dim_t p, digit* panel) {
        const dim_t first = p * traits::cols, count = std::min<dim_t>(traits::cols, out_.layout_.n - first);
        for (const rhs_run& run : out_.layout_.runs) {
            auto source = rows_;
            const int storage_plane = run.plane % stored_planes<typename P::rhs::format>,
                      split = run.plane % traits::split_planes;
            source.data += storage_plane * view_.plane_stride;
            digit* out = panel + run.offset;
            for (dim_t piece = 0; piece < padding_.pieces(run.length); ++piece) { // with zeros behind each
                rhs_run part = run;
                if (!padding_.none()) {
                    part.k = piece * padding_.length;
                    part.length = padding_.length;
                }
                digit* const to = out + piece * padding_.padded * traits::cols;
                if constexpr (traits::floats)
                    pack_floats(source, p, first, count, part, to);
                else
                    pack_part(source, first, count, part, split, to);
            }
            if constexpr (traits::block > 0) {
                const digit* end = out + round_up(run.length, traits::k) * traits::cols;
                const bool zeros = std::all_of(static_cast<const digit*>(out), end, [](digit d) { return d == 0; });
                out_.zero_runs_[static_cast<std::size_t>(p * out_.layout_.scale_rows + run.scale)] = zeros;
                if (zeros) out_.any_zero_run_[static_cast<std::size_t>(p)] = 1;
            }
        }
    }

    void pack_part(const rows_type& source, dim_t first, dim_t count, const rhs_run& part, int split,
                   digit* out) const {
        if (rows_.col_stride == 1)
            pack_by_rows(source, first, count, part, split, out);
        else
            pack_by_columns(source, first, count, part, split, out);
    }

    /// Packs as much at a time as is still in L1 when it is measured.
    void pack_floats(const rows_type& source, dim_t p, dim_t first, dim_t count, rhs_run part, digit* out) {
        constexpr dim_t strip = 64;
        for (dim_t left = part.length; left > 0; left -= part.length) {
            part.length = std::min(strip, left);
            pack_part(source, first, count, part, 0, out);
            out_.bounds_.measure_floats(p, out, part.length * traits::cols);
            part.k += part.length;
            out += part.length * traits::cols;
        }
    }

    /// Rows of rhs are contiguous (n ascending): k of them are interleaved, by vectors where they hold the digits as
    /// they are.
    static void pack_by_rows(const rows_type& rows, dim_t first, dim_t count, const rhs_run& run, int split,
                             digit* __restrict out) {
        constexpr int k = traits::rhs_group;
        constexpr bool interleaves = traits::cols % 8 == 0 && traits::stores_rhs_digits && (k == 2 || k == 4);
        constexpr dim_t ahead = 32; // rows; each is a line or two in a page of its own
        for (dim_t s = 0; s < run.length; s += k, out += k * traits::cols) {
            const auto row = [&](dim_t q) { return rows.row(run.k + s + q) + first; };
            for (dim_t q = s; q < std::min(run.length, s + k); ++q)
                if (q + ahead < run.length) __builtin_prefetch(rows.row(run.k + q + ahead) + first);
            dim_t j = 0; // columns that are packed
            if constexpr (interleaves)
                if (s + k <= run.length) {
                    const auto pack = [&]<dim_t Count>(std::integral_constant<dim_t, Count>) {
                        if constexpr (k == 2)
                            simd::interleave<Count>(row(0) + j, row(1) + j, out + j * k);
                        else
                            simd::interleave<Count>(row(0) + j, row(1) + j, row(2) + j, row(3) + j, out + j * k);
                        j += Count;
                    };
                    if (count == traits::cols) {
                        pack(std::integral_constant<dim_t, traits::cols>{});
                        continue;
                    }
                    if constexpr (traits::halves)
                        if (count == traits::cols / 2) {
                            pack(std::integral_constant<dim_t, traits::cols / 2>{});
                            continue;
                        }
                    while (j + 8 <= count) pack(std::integral_constant<dim_t, 8>{});
                }
            for (dim_t q = 0; q < std::min<dim_t>(k, run.length - s); ++q) {
                const auto* values = row(q);
                for (dim_t c = j; c < count; ++c)
                    out[c * k + q] = digit_of<digit, traits::split_planes>(values[c], split);
            }
        }
    }

    /// Columns of rhs are contiguous (k ascending), as the rows of a weight matrix are: k elements of each are copied
    /// at a time. Where those are four bytes, as they mostly are, the panel is the transposed matrix of such words.
    static void pack_by_columns(const rows_type& rows, dim_t first, dim_t count, const rhs_run& run, int split,
                                digit* __restrict out) {
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
                        column[s * traits::cols + q] = digit_of<digit, traits::split_planes>(in[s + q], split);
            }
            for (; s < run.length; ++s)
                column[s / k * (k * traits::cols) + s % k] =
                    digit_of<digit, traits::split_planes>(rows.row(run.k + s)[(first + j) * rows.col_stride], split);
        }
    }

    const rows_type& rows_;
    const dim_t depth_; ///< of the reduction, without zeros that are put in
    const rhs_view<P>& view_;
    const typename rhs_view<P>::scale_type* const scales_; ///< those of the view
    zero_padding padding_;
    packed out_;
    using compact_type = typename packed::compact_type;
    std::shared_ptr<compact_type> compact_;
};

/// Packs k x n elements whose rows are given one by one; of `view` the scales and the plane stride count.
template <class P, class Arch>
packed_rhs<P, Arch> pack_rows(const rhs_rows<typename P::rhs::storage>& rows, dim_t k, dim_t n, const rhs_view<P>& view,
                              executor_ref exec, rhs_storage storage = rhs_storage::fast, zero_padding padding = {},
                              packed_rhs<P, Arch>&& memory = {}) {
    return rhs_packer<P, Arch>(rows, k, n, view, storage, padding, std::move(memory)).pack(exec);
}

} // namespace detail

/// Packs rhs (k x n). Throws shape_error or value_error if the view is inconsistent, a reduction is too long for the
/// policy's total, or an element is outside its format. Convolutions ask for `padding` within the reduction, which is
/// left out where it would cut a block of scales. `memory`: a packed rhs that is no longer needed; one of the same size
/// is packed into its place.
template <GemmPolicy P, class Arch = simd::native_arch>
packed_rhs<P, Arch> pack_rhs(const rhs_view<P>& rhs, rhs_storage stored = rhs_storage::fast, executor_ref exec = {},
                             detail::zero_padding padding = {}, packed_rhs<P, Arch>&& memory = {}) {
    detail::check_operand("rhs", rhs, rhs.values.cols(), rhs.values.rows());
    if constexpr (P::rhs::block > 0 && std::is_integral_v<typename P::total>)
        detail::check_scaled_reduction<P>(rhs);
    else
        detail::check_reduction<P>(rhs.values.rows());
    using storage = typename P::rhs::storage;
    using format = typename P::rhs::format;
    const detail::rhs_rows<storage> rows{rhs.values.data(), rhs.values.row_stride(), rhs.values.col_stride()};
    const dim_t k = rhs.values.rows(), n = rhs.values.cols();
    if constexpr (!detail::kernel_traits<P, Arch>::proven)
        for (int p = 0; p < (k > 0 && n > 0 ? detail::stored_planes<format> : 0); ++p)
            detail::require_range<format>(
                "rhs", detail::rhs_rows<storage>{rows.data + p * rhs.plane_stride, rows.row_stride, rows.col_stride}, k,
                n);
    auto packed = detail::pack_rows<P, Arch>(rows, k, n, rhs, exec, stored, padding, std::move(memory));
    detail::require_proven_range<P>("rhs", packed.largest(), rows, k, n);
    return packed;
}

} // namespace intaglio::inline INTAGLIO_ABI
