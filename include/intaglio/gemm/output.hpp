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

/// Where a product goes: the output, what its values pass on the way, and where its rows lie.
template <class Out, class Stages>
struct output_target {
    const Out& out;
    const Stages& stages;
    dim_t stage_column = 0;      ///< of the stages' parameters, where the output's first column has its own
    const dim_t* rows = nullptr; ///< for each row of the product one of the output; nullptr: in order

    using traits = output_traits<Out>;
    /// Nothing is left to do with scaled totals on the way to memory.
    static constexpr bool plain_floats = std::is_same_v<Out, matrix_view<float>> && Stages::empty;

    const auto& view() const { return traits::view(out); }
    dim_t row(dim_t i) const { return rows ? rows[i] : i; }
    /// Asks for the memory that the tile at (i0, j0) will read and write besides its operands.
    void prefetch(dim_t i0, dim_t count, dim_t j0) const {
        const auto& v = view();
        for (dim_t i = i0; i < i0 + count; ++i) {
            __builtin_prefetch(v.data() + row(i) * v.row_stride() + j0 * v.col_stride(), 1);
            stages.prefetch(row(i), stage_column + j0);
        }
    }
    /// From each of `count` rows to the next, or 0 where they are not evenly spaced.
    dim_t row_step(dim_t first, dim_t count) const {
        if (!rows || count == 1) return 1;
        const dim_t step = rows[first + 1] - rows[first];
        for (dim_t i = 2; i < count; ++i)
            if (rows[first + i] != rows[first] + i * step) return 0;
        return step;
    }
};

/// Rows [from, to) of a tile, in reals: totals times the factors of their columns, and the scales of their rows, where
/// lhs has such. Row i goes to v + (i - from) * stride.
template <class Traits, class Totals>
[[gnu::noinline]] void scale_rows(const output_factors<Traits>& factors, const float* row_scales, const Totals& totals,
                                  dim_t from, dim_t to, dim_t j0, float* __restrict v, dim_t stride) {
    constexpr int cols = Traits::cols;
    const double* const wide = factors.wide.data() + j0;
    if constexpr (output_factors<Traits>::row_scales) {
        for (dim_t i = from; i < to; ++i, v += stride) {
            const auto row_scale = static_cast<double>(row_scales[i]);
            for (int j = 0; j < cols; ++j)
                v[j] = canonical(static_cast<float>(totals.wide(i * cols + j) *
                                                    output_factor<typename Traits::total>(wide[j] * row_scale)));
        }
    } else {
        if constexpr (Totals::has_single) {
            const float* const single = factors.single.data() + j0;
            const output_path path = factors.paths[static_cast<std::size_t>(j0 / cols)];
            if (path == output_path::single) {
                for (dim_t i = from; i < to; ++i, v += stride) totals.template scale<cols>(i * cols, single, v);
                return;
            }
            if constexpr (output_factors<Traits>::splits)
                if (path == output_path::split) {
                    for (dim_t i = from; i < to; ++i, v += stride)
                        totals.template scale_split<cols>(i * cols, single, v);
                    return;
                }
        }
        for (dim_t i = from; i < to; ++i, v += stride) totals.template scale<cols>(i * cols, wide, v);
    }
}

/// Stores a tile whose output lies column by column, as a weight gradient's does: blocks of eight rows and columns are
/// transposed on their way to memory, the last eight rows beside those that were written before. What fills no block is
/// stored one by one. `v` holds Rows x Cols, of which rows x cols are stored at `out`, columns `stride` apart.
template <int Rows, int Cols>
[[gnu::noinline]] void store_transposed(const float* __restrict v, dim_t rows, dim_t cols, float* __restrict out,
                                        dim_t stride) {
    const auto copy_columns = [&](dim_t from, dim_t count) __attribute__((always_inline)) {
        for (dim_t j = from; j < cols; ++j)
            for (dim_t i = 0; i < count; ++i) out[j * stride + i] = v[i * Cols + j];
    };
    dim_t j = 0;
    if constexpr (Rows >= 8)
        for (; rows >= 8 && j + 8 <= cols; j += 8)
            for (dim_t i = 0; i < rows; i += 8) {
                const dim_t first = std::min(i, rows - 8);
                simd::detail::transpose_eight(v + first * Cols + j, Cols, out + j * stride + first, stride);
            }
    if (rows == Rows)
        copy_columns(j, Rows); // a constant count
    else
        copy_columns(j, rows);
}

/// Sends the rows of a tile, Cols apart in v, through the stages to the output.
template <int Cols, class Out, class Stages>
[[gnu::noinline]] void store_rows(const output_target<Out, Stages>& to, float* __restrict v, dim_t i0, dim_t rows,
                                  dim_t j0, dim_t cols) {
    const Out out = to.out; // copies, since what bytes are stored to might be anything that is not local
    const Stages stages = to.stages;
    using stored = typename output_traits<Out>::stored;
    const auto view = output_traits<Out>::view(out);
    const dim_t* const places = to.rows;
    const dim_t stage_column = to.stage_column + j0;
    const auto finish = [&](dim_t i, dim_t count) __attribute__((always_inline)) {
        const dim_t row = places ? places[i0 + i] : i0 + i;
        stages(v + i * Cols, row, stage_column, count);
        store_piece(out, v + i * Cols, row, j0, count);
    };
    if (cols == Cols) { // a constant count needs no loops
        if constexpr (Stages::in_vectors && sizeof(stored) < 4 + std::is_same_v<stored, float>)
            if (view.col_stride() == 1) {
                for (dim_t i = 0; i < rows; ++i) {
                    const dim_t row = places ? places[i0 + i] : i0 + i;
                    stored* const at = view.data() + row * view.row_stride() + j0;
                    simd::for_each_vector(
                        Cols, [&](auto lanes, dim_t e) __attribute__((always_inline)) {
                            using floats = simd::vector<float, decltype(lanes)::value>;
                            float* const from = v + i * Cols + e;
                            const floats x = stages.apply(simd::load_vector<floats>(from), row, stage_column + e);
                            store_values(out, x, at + e);
                            if constexpr (Stages::sees) simd::store_vector(from, x);
                        });
                }
                return stages.seen(v, rows * Cols);
            }
        for (dim_t i = 0; i < rows; ++i) finish(i, Cols);
        return stages.seen(v, rows * Cols);
    }
    for (dim_t i = 0; i < rows; ++i) {
        finish(i, cols);
        if constexpr (Stages::sees) // row to row, so that all are seen at once
            simd::for_each_vector(
                cols, [&](auto lanes, dim_t e) __attribute__((always_inline)) {
                    using floats = simd::vector<float, decltype(lanes)::value>;
                    simd::store_vector(v + i * cols + e, simd::load_vector<floats>(v + i * Cols + e));
                });
    }
    stages.seen(v, rows * cols);
}

/// From the totals of the tile at (i0, j0), of which rows x cols exist, to the output. `lhs_scales`: of the rows of
/// lhs, if it has such.
template <class Traits, class Totals, class Out, class Stages>
void finish_tile(const output_target<Out, Stages>& to, const output_factors<Traits>& factors, const float* lhs_scales,
                 const Totals& totals, dim_t i0, dim_t rows, dim_t j0, dim_t cols) {
    using place = output_target<Out, Stages>;
    if constexpr (place::traits::raw) {
        for (dim_t i = 0; i < rows; ++i)
            for (dim_t j = 0; j < cols; ++j)
                to.view()(to.row(i0 + i), j0 + j) =
                    static_cast<typename place::traits::stored>(totals.exact(i * Traits::cols + j));
    } else {
        const float* const row_scales = output_factors<Traits>::row_scales ? lhs_scales + i0 : nullptr;
        if constexpr (place::plain_floats)
            if (cols == Traits::cols && to.out.col_stride() == 1) {
                const dim_t step = to.row_step(i0, rows), piece = step == 0 ? 1 : rows;
                for (dim_t i = 0; i < rows; i += piece)
                    scale_rows(factors, row_scales, totals, i, i + piece, j0,
                               to.out.data() + to.row(i0 + i) * to.out.row_stride() + j0, step * to.out.row_stride());
                return;
            }
        alignas(64) float v[Traits::rows * Traits::cols];
        scale_rows(factors, row_scales, totals, 0, rows, j0, v, Traits::cols);
        if constexpr (place::plain_floats)
            if (!to.rows && to.out.row_stride() == 1)
                return store_transposed<Traits::rows, Traits::cols>(
                    v, rows, cols, to.out.data() + i0 + j0 * to.out.col_stride(), to.out.col_stride());
        store_rows<Traits::cols>(to, v, i0, rows, j0, cols);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
