// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the totals of a finished tile to the output: the factor of each column, the stages, the store. epilogue.hpp says
// what the value of an output is; this header says how a tile of them is computed and stored, by rows or transposed.

#include <algorithm>
#include <type_traits>

#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/gemm/output_factors.hpp"
#include "intaglio/gemm/totals.hpp"
#include "intaglio/simd/transpose.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Rows [from, to) of a tile times the factors of their columns, without row scales; row i goes to place(i).
template <class Traits, class Call, class Totals, class Place>
INTAGLIO_INLINE void scale_rows(const Call& call, const Totals& totals, dim_t from, dim_t to, dim_t j0,
                                const Place& place) {
    const auto each = [&](auto scale) __attribute__((always_inline)) {
        for (dim_t i = from; i < to; ++i) scale(i * Traits::cols, place(i));
    };
    if constexpr (Totals::has_single) {
        const float* const factors = call.factors.single.data() + j0;
        const output_path path = call.factors.paths[static_cast<std::size_t>(j0 / Traits::cols)];
        if (path == output_path::single)
            return each([&](dim_t e, float* v) { totals.template scale<Traits::cols>(e, factors, v); });
        if constexpr (output_factors<Traits>::splits)
            if (path == output_path::split)
                return each([&](dim_t e, float* v) { totals.template scale_split<Traits::cols>(e, factors, v); });
    }
    const double* const factors = call.factors.wide.data() + j0;
    each([&](dim_t e, float* v) { totals.template scale<Traits::cols>(e, factors, v); });
}

/// The output of a product that is stored column by column, as a weight gradient is: blocks of eight rows and columns
/// are transposed on their way to memory, the last eight rows beside those that were written before. What fills no
/// block is stored one by one.
template <class Traits, class Call, class Totals>
void finish_transposed(const Call& call, const Totals& totals, dim_t i0, dim_t rows, dim_t j0, dim_t cols) {
    alignas(64) float v[Traits::rows * Traits::cols];
    scale_rows<Traits>(call, totals, 0, rows, j0, [&](dim_t i) { return v + i * Traits::cols; });
    const dim_t stride = call.out.col_stride();
    float* const out = call.out.data() + i0 + j0 * stride;
    const auto copy_columns = [&](dim_t from, dim_t count) __attribute__((always_inline)) {
        for (dim_t j = from; j < cols; ++j)
            for (dim_t i = 0; i < count; ++i) out[j * stride + i] = v[i * Traits::cols + j];
    };
    dim_t j = 0;
    if constexpr (Traits::rows >= 8)
        for (; rows >= 8 && j + 8 <= cols; j += 8)
            for (dim_t i = 0; i < rows; i += 8) {
                const dim_t first = std::min(i, rows - 8);
                simd::detail::transpose_eight(v + first * Traits::cols + j, Traits::cols, out + j * stride + first,
                                              stride);
            }
    if (rows == Traits::rows)
        copy_columns(j, Traits::rows); // a constant count
    else
        copy_columns(j, rows);
}

/// From the totals of one tile to the output.
template <class Traits, class Call, class Totals>
[[gnu::noinline]] void finish_tile(const Call& call, const Totals& totals, dim_t i0, dim_t rows, dim_t j0, dim_t cols) {
    using out_traits = output_traits<std::remove_cvref_t<decltype(call.out)>>;
    constexpr bool row_scales = output_factors<Traits>::row_scales;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.out)>, matrix_view<float>> && !row_scales &&
                  std::remove_cvref_t<decltype(call.stages)>::empty) {
        if (cols == Traits::cols && call.out.col_stride() == 1) // nothing is left to do on the way to memory
            return scale_rows<Traits>(call, totals, 0, rows, j0, [&](dim_t i) {
                return call.out.data() + call.row_map(i0 + i) * call.out.row_stride() + j0;
            });
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.row_map)>, same_row>)
            if (call.out.row_stride() == 1) return finish_transposed<Traits>(call, totals, i0, rows, j0, cols);
    }
    for (dim_t i = 0; i < rows; ++i) {
        const dim_t first = i * Traits::cols;
        const dim_t row = call.row_map(i0 + i);
        if constexpr (out_traits::raw) {
            const auto& view = out_traits::view(call.out);
            for (dim_t j = 0; j < cols; ++j)
                view(row, j0 + j) = static_cast<typename out_traits::stored>(totals.exact(first + j));
        } else {
            alignas(64) float v[Traits::cols];
            if constexpr (row_scales) {
                const double* wide = call.factors.wide.data() + j0;
                const auto row_scale = static_cast<double>(call.lhs_scales[i0 + i]);
                for (int j = 0; j < Traits::cols; ++j)
                    v[j] = canonical(static_cast<float>(totals.wide(first + j) *
                                                        output_factor<typename Traits::total>(wide[j] * row_scale)));
            } else {
                scale_rows<Traits>(call, totals, i, i + 1, j0, [&](dim_t) { return v; });
            }
            if (cols == Traits::cols) { // a constant count lets the stages vectorise without a remainder
                call.stages(v, row, j0, Traits::cols);
                store_piece(call.out, v, row, j0, Traits::cols);
            } else {
                call.stages(v, row, j0, cols);
                store_piece(call.out, v, row, j0, cols);
            }
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
