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
    /// Values may pass the stages and be stored by vectors.
    static constexpr bool in_vectors =
        Stages::in_vectors && (sizeof(typename traits::stored) < 4 || std::is_same_v<typename traits::stored, float>);

    const auto& view() const { return traits::view(out); }
    dim_t row(dim_t i) const { return rows ? rows[i] : i; }
    /// Asks for the memory that `count` rows of the tile at (i0, j0), of `cols` columns, will read and write besides
    /// its operands.
    INTAGLIO_INLINE void prefetch(dim_t i0, dim_t count, dim_t j0, dim_t cols) const {
        const auto& v = view();
        const dim_t line = v.col_stride() == 1 ? 64 / static_cast<dim_t>(sizeof(typename traits::stored)) : cols;
        for (dim_t i = i0; i < i0 + count; ++i) {
            for (dim_t j = j0; j < j0 + cols; j += line)
                __builtin_prefetch(v.data() + row(i) * v.row_stride() + j * v.col_stride(), 1);
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

/// Calls use(value) with what gives a vector of a tile's values: value(Floats{}, i, j) those of row i from column j on,
/// totals times factors in float. False where float would round twice: nothing is called.
template <class Traits, class Totals, class Use>
bool with_single_values(const output_factors<Traits>& factors, const Totals& totals, dim_t j0, const Use& use) {
    if constexpr (Totals::has_single && !output_factors<Traits>::row_scales) {
        const float* const single = factors.single.data() + j0;
        const output_path path = factors.paths[static_cast<std::size_t>(j0 / Traits::cols)];
        if (path == output_path::single) {
            use([ totals, single ](auto v, dim_t i, dim_t j) __attribute__((always_inline)) {
                return totals.template single<decltype(v)>(i * Traits::cols + j, single + j);
            });
            return true;
        }
        if constexpr (output_factors<Traits>::splits)
            if (path == output_path::split) {
                use([ totals, single ](auto v, dim_t i, dim_t j) __attribute__((always_inline)) {
                    return totals.template split<decltype(v)>(i * Traits::cols + j, single + j);
                });
                return true;
            }
    }
    return false;
}

/// The rows of a tile, its first Width columns, in reals: totals times the factors of their columns, and the scales of
/// their rows, where lhs has such. Row i goes to place(i).
template <int Width, class Traits, class Totals, class Place>
[[gnu::noinline]] void scale_rows(const output_factors<Traits>& factors, const float* row_scales, const Totals& totals,
                                  dim_t rows, dim_t j0, const Place& place) {
    constexpr int cols = Traits::cols;
    const double* const wide = factors.wide.data() + j0;
    if constexpr (output_factors<Traits>::row_scales) {
        for (dim_t i = 0; i < rows; ++i) {
            const auto row_scale = static_cast<double>(row_scales[i]);
            float* const v = place(i);
            for (int j = 0; j < Width; ++j)
                v[j] = canonical(static_cast<float>(totals.wide(i * cols + j) *
                                                    output_factor<typename Traits::total>(wide[j] * row_scale)));
        }
    } else {
        const bool done = with_single_values(
            factors, totals, j0, [&](auto value) __attribute__((always_inline)) {
                using floats = simd::vector<float, output_lanes<Width>>;
                for (dim_t i = 0; i < rows; ++i) {
                    float* const v = place(i);
                    for (int j = 0; j < Width; j += output_lanes<Width>)
                        simd::store_vector(v + j, value(floats{}, i, j));
                }
            });
        if (!done)
            for (dim_t i = 0; i < rows; ++i) totals.template scale<Width>(i * cols, wide, place(i));
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

/// Sends rows of Width values through the stages to an output whose rows lie densely, all in registers. `value` as in
/// with_single_values, `chosen` are the stages, resolved. Values that they look at are left in `seen`, rows x Width.
template <int Width, class Out, class Stages, class Chosen, class Value>
[[gnu::noinline]] void store_vectors(const output_target<Out, Stages>& to, const Chosen& chosen, const Value& value,
                                     float* seen, dim_t i0, dim_t rows, dim_t j0) {
    constexpr int lanes = output_lanes<Width>;
    using floats = simd::vector<float, lanes>;
    const Out out = to.out; // copies, since what bytes are stored to might be anything that is not local
    const Chosen stages = chosen;
    const Value values = value;
    const auto view = output_traits<Out>::view(out);
    const dim_t* const places = to.rows;
    const dim_t stage_column = to.stage_column + j0;
    for (dim_t i = 0; i < rows; ++i) {
        const dim_t row = places ? places[i0 + i] : i0 + i;
        auto* const at = view.data() + row * view.row_stride() + j0;
        const auto finished = [&](int e) __attribute__((always_inline)) {
            const floats x = stages.apply(values(floats{}, i, e), row, stage_column + e);
            if constexpr (Stages::sees) simd::store_vector(seen + i * Width + e, x);
            return x;
        };
        int e = 0;
        for (; e + 2 * lanes <= Width; e += 2 * lanes) {
            const floats x = finished(e), next = finished(e + lanes);
            store_values(out, x, next, at + e);
        }
        if (e < Width) store_values(out, finished(e), at + e);
    }
    stages.seen(seen, rows * Width);
}

/// Sends the rows of a tile, Width apart in v, through the stages to the output.
template <int Width, class Out, class Stages>
[[gnu::noinline]] void store_rows(const output_target<Out, Stages>& to, float* __restrict v, dim_t i0, dim_t rows,
                                  dim_t j0, dim_t cols) {
    const Out out = to.out; // copies, as above
    const Stages stages = to.stages;
    const dim_t* const places = to.rows;
    const auto finish = [&](dim_t i, dim_t count) __attribute__((always_inline)) {
        const dim_t row = places ? places[i0 + i] : i0 + i;
        stages(v + i * Width, row, to.stage_column + j0, count);
        store_piece(out, v + i * Width, row, j0, count);
    };
    if (cols == Width) { // a constant count needs no loops
        for (dim_t i = 0; i < rows; ++i) finish(i, Width);
    } else {
        for (dim_t i = 0; i < rows; ++i) {
            finish(i, cols);
            if constexpr (Stages::sees) // row to row, so that all are seen at once
                simd::for_each_vector(
                    cols, [&](auto lanes, dim_t e) __attribute__((always_inline)) {
                        using floats = simd::vector<float, decltype(lanes)::value>;
                        simd::store_vector(v + i * cols + e, simd::load_vector<floats>(v + i * Width + e));
                    });
        }
    }
    stages.seen(v, rows * cols);
}

/// finish_tile of the first Width columns.
template <int Width, class Traits, class Totals, class Out, class Stages>
void finish_columns(const output_target<Out, Stages>& to, const output_factors<Traits>& factors,
                    const float* row_scales, const Totals& totals, dim_t i0, dim_t rows, dim_t j0, dim_t cols) {
    using place = output_target<Out, Stages>;
    if constexpr (place::plain_floats)
        if (cols == Width && to.out.col_stride() == 1)
            return scale_rows<Width>(
                factors, row_scales, totals, rows, j0,
                [ first = to.out.data() + j0, stride = to.out.row_stride(), places = to.rows, i0 ](dim_t i)
                    __attribute__((always_inline)) { return first + (places ? places[i0 + i] : i0 + i) * stride; });
    alignas(64) float v[Traits::rows * Width];
    const auto in_v = [&v](dim_t i) __attribute__((always_inline)) { return v + i * Width; };
    if constexpr (place::in_vectors)
        if (cols == Width && to.view().col_stride() == 1) {
            const auto store = [&](const auto& value) {
                to.stages.resolved(
                    [&](const auto& chosen) { store_vectors<Width>(to, chosen, value, v, i0, rows, j0); });
            };
            const bool done = with_single_values(factors, totals, j0, store);
            if (!done) {
                scale_rows<Width>(factors, row_scales, totals, rows, j0, in_v);
                const float* const from = v;
                const auto value = [from](auto x, dim_t i, dim_t j) __attribute__((always_inline)) {
                    return simd::load_vector<decltype(x)>(from + i * Width + j);
                };
                store(value);
            }
            return;
        }
    scale_rows<Width>(factors, row_scales, totals, rows, j0, in_v);
    if constexpr (place::plain_floats)
        if (!to.rows && to.out.row_stride() == 1)
            return store_transposed<Traits::rows, Width>(v, rows, cols, to.out.data() + i0 + j0 * to.out.col_stride(),
                                                         to.out.col_stride());
    store_rows<Width>(to, v, i0, rows, j0, cols);
}

/// From the totals of the tile at (i0, j0), of which rows x cols exist, to the output. `lhs_scales`: of the rows of
/// lhs, if it has such. A tile that is half full at most is finished as one of half the columns.
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
        if constexpr (Traits::halves)
            if (2 * cols <= Traits::cols)
                return finish_columns<Traits::cols / 2>(to, factors, row_scales, totals, i0, rows, j0, cols);
        finish_columns<Traits::cols>(to, factors, row_scales, totals, i0, rows, j0, cols);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
