// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the totals of a finished tile to the output: the factor of each column, the stages, the store. epilogue.hpp says what the value of an output is; this
// header says how a tile of them is computed.

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/simd/atom.hpp"
#include "intaglio/simd/transpose.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// A tile's row of `Count` columns is scaled by vectors of so many elements of 4 bytes.
template <int Count>
constexpr int output_lanes = std::min(simd::widest_vector / 4, Count);

/// The elements of a vector as another type.
template <class To, class T, int Lanes>
INTAGLIO_INLINE simd::vector<To, Lanes> convert_vector(const T* p) {
    return __builtin_convertvector((simd::load_vector<simd::vector<T, Lanes>>(p)), simd::vector<To, Lanes>);
}

/// v[j] = float(total[j] * factor[j]), rounded once from the exact product where both are doubles.
template <class Total, class Factor>
INTAGLIO_INLINE void store_scaled(Total total, const Factor* factors, float* v) {
    const Total product = total * simd::load_vector<Total>(factors);
    simd::store_vector(v, __builtin_convertvector(product, simd::vector<float, sizeof(Total) / sizeof(Factor)>));
}

/// Totals of a tile as they are.
template <class Total>
struct plain_totals {
    const Total* t;
    static constexpr bool has_single = sizeof(Total) == 4;
    Total exact(index e) const { return t[e]; }
    double wide(index e) const { return to_double(t[e]); }
    /// A row of `Count` totals from e on, times factors.
    template <int Count>
    INTAGLIO_INLINE void scale(index e, const double* factors, float* v) const {
        constexpr int lanes = output_lanes<Count> / 2;
        if constexpr (sizeof(Total) == 4)
            for (int j = 0; j < Count; j += lanes) store_scaled(convert_vector<double, Total, lanes>(t + e + j), factors + j, v + j);
        else
            for (int j = 0; j < Count; ++j) v[j] = static_cast<float>(wide(e + j) * factors[j]);
    }
    template <int Count>
    INTAGLIO_INLINE void scale(index e, const float* factors, float* v) const {
        constexpr int lanes = output_lanes<Count>;
        for (int j = 0; j < Count; j += lanes) store_scaled(convert_vector<float, Total, lanes>(t + e + j), factors + j, v + j);
    }
};

/// Totals in two parts: high * 2^carry_bits + low, where low may be any int32.
struct carried_totals {
    const std::int32_t *low, *high;
    static constexpr bool has_single = true;
    static constexpr std::int64_t unit = std::int64_t{1} << simd::carry_bits;
    std::int64_t exact(index e) const { return high[e] * unit + low[e]; }
    double wide(index e) const { return static_cast<double>(high[e]) * static_cast<double>(unit) + static_cast<double>(low[e]); }
    template <int Count>
    INTAGLIO_INLINE void scale(index e, const double* factors, float* v) const {
        constexpr int lanes = output_lanes<Count> / 2;
        for (int j = 0; j < Count; j += lanes) {
            const auto h = convert_vector<double, std::int32_t, lanes>(high + e + j), l = convert_vector<double, std::int32_t, lanes>(low + e + j);
            store_scaled(h * static_cast<double>(unit) + l, factors + j, v + j);
        }
    }
    /// In float: rounds once for sums of up to longest_single products of any int16, of which both parts are exact then, and so is their scaled sum's product.
    static constexpr index longest_single = (unit << 24) / (32768 * 32768) - 1;
    template <int Count>
    INTAGLIO_INLINE void scale(index e, const float* factors, float* v) const {
        constexpr int lanes = output_lanes<Count>;
        using ints = simd::vector<std::int32_t, lanes>;
        using floats = simd::vector<float, lanes>;
        for (int j = 0; j < Count; j += lanes) {
            const auto l = simd::load_vector<ints>(low + e + j), h = simd::load_vector<ints>(high + e + j) + (l >> simd::carry_bits);
            const floats total = __builtin_convertvector(h, floats) * static_cast<float>(unit) + __builtin_convertvector(l & static_cast<std::int32_t>(unit - 1), floats);
            store_scaled(total, factors + j, v + j);
        }
    }
};

/// The factors of the columns, as doubles and as floats, and for each panel whether totals may be multiplied in float: float(t) rounds once and the
/// product is exact where the factor is a power of two; where totals stay below 2^24, float(t) is exact and the product rounds once.
template <class Traits>
struct output_factors {
    std::vector<double> wide; ///< output_factor of each column; without it where lhs has row scales still to come
    std::vector<float> single;
    static constexpr bool row_scales = Traits::policy::lhs::sharing::by_row && Traits::policy::lhs::block == 0;
    std::vector<char> fits; ///< by panel

    template <class Rhs>
    output_factors(const Rhs& rhs, double lhs_scale)
        : wide(static_cast<std::size_t>(rhs.panels() * Traits::cols)), single(wide.size()), fits(static_cast<std::size_t>(rhs.panels())) {
        for (std::size_t j = 0; j < wide.size(); ++j) {
            wide[j] = lhs_scale * rhs.factors()[j];
            if constexpr (!row_scales) wide[j] = output_factor(wide[j]);
            single[j] = static_cast<float>(wide[j]);
        }
        constexpr auto columns = static_cast<std::size_t>(Traits::cols);
        for (std::size_t p = 0; p < fits.size(); ++p) {
            bool normal = true, powers = true;
            for (std::size_t j = p * columns; j < std::min((p + 1) * columns, static_cast<std::size_t>(rhs.n())); ++j) {
                int exponent = 0;
                powers = powers && std::fabs(std::frexp(wide[j], &exponent)) == 0.5;
                normal = normal && exponent > -125 && exponent < 96 && wide[j] != 0;
            }
            bool small = false;
            if constexpr (std::is_same_v<typename Traits::total, std::int32_t>)
                small = rhs.unit_bound(static_cast<index>(p)) * Traits::policy::lhs::format::max_magnitude < (1 << 24);
            if constexpr (Traits::carries) powers = powers && rhs.k() <= carried_totals::longest_single;
            fits[p] = normal && (powers || small);
        }
    }
};

/// A row of a tile times the factors of its columns, without row scales.
template <class Traits, class Call, class Totals>
INTAGLIO_INLINE void scale_row(const Call& call, const Totals& totals, index first, index j0, float* v) {
    if constexpr (Totals::has_single)
        if (call.factors.fits[static_cast<std::size_t>(j0 / Traits::cols)]) return totals.template scale<Traits::cols>(first, call.factors.single.data() + j0, v);
    totals.template scale<Traits::cols>(first, call.factors.wide.data() + j0, v);
}

/// The output of a product that is stored column by column, as a weight gradient is: blocks of eight rows and columns are transposed on their way to memory, the last
/// eight rows beside those that were written before. What fills no block is stored one by one.
template <class Traits, class Call, class Totals>
void finish_transposed(const Call& call, const Totals& totals, index i0, index rows, index j0, index cols) {
    alignas(64) float v[Traits::rows * Traits::cols];
    for (index i = 0; i < rows; ++i) scale_row<Traits>(call, totals, i * Traits::cols, j0, v + i * Traits::cols);
    const index stride = call.out.col_stride;
    float* const out = call.out.data + i0 + j0 * stride;
    const auto copy_columns = [&](index from, index count) __attribute__((always_inline)) {
        for (index j = from; j < cols; ++j)
            for (index i = 0; i < count; ++i) out[j * stride + i] = v[i * Traits::cols + j];
    };
    index j = 0;
    if constexpr (Traits::rows >= 8)
        for (; rows >= 8 && j + 8 <= cols; j += 8)
            for (index i = 0; i < rows; i += 8) {
                const index first = std::min(i, rows - 8);
                simd::detail::transpose_eight(v + first * Traits::cols + j, Traits::cols, out + j * stride + first, stride);
            }
    if (rows == Traits::rows)
        copy_columns(j, Traits::rows); // a constant count
    else
        copy_columns(j, rows);
}

/// From the totals of one tile to the output.
template <class Traits, class Call, class Totals>
INTAGLIO_INLINE void finish_tile(const Call& call, const Totals& totals, index i0, index rows, index j0, index cols) {
    using out_traits = output_traits<std::remove_cvref_t<decltype(call.out)>>;
    constexpr bool row_scales = output_factors<Traits>::row_scales;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.out)>, matrix_view<float>> && !row_scales && std::remove_cvref_t<decltype(call.stages)>::empty &&
                  std::is_same_v<std::remove_cvref_t<decltype(call.row_map)>, same_row>)
        if (call.out.row_stride == 1 && call.out.col_stride != 1) return finish_transposed<Traits>(call, totals, i0, rows, j0, cols);
    for (index i = 0; i < rows; ++i) {
        const index first = i * Traits::cols;
        const index row = call.row_map(i0 + i);
        if constexpr (out_traits::raw) {
            const auto& view = out_traits::view(call.out);
            for (index j = 0; j < cols; ++j) view(row, j0 + j) = static_cast<typename out_traits::stored>(totals.exact(first + j));
        } else {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.out)>, matrix_view<float>> && !row_scales && std::remove_cvref_t<decltype(call.stages)>::empty)
                if (cols == Traits::cols && call.out.col_stride == 1) { // nothing left to do on the way to memory
                    scale_row<Traits>(call, totals, first, j0, call.out.data + row * call.out.row_stride + j0);
                    continue;
                }
            alignas(64) float v[Traits::cols];
            if constexpr (row_scales) {
                const double* wide = call.factors.wide.data() + j0;
                const auto row_scale = static_cast<double>(call.lhs_scales[i0 + i]);
                for (int j = 0; j < Traits::cols; ++j) v[j] = static_cast<float>(totals.wide(first + j) * output_factor(wide[j] * row_scale));
            } else {
                scale_row<Traits>(call, totals, first, j0, v);
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
