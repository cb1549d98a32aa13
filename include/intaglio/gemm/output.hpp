// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the totals of a finished tile to the output: the factor of each column, the stages, the store. epilogue.hpp says
// what the value of an output is; this header says how a tile of them is computed.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/simd/atom.hpp"
#include "intaglio/simd/cache_sizes.hpp"
#include "intaglio/simd/arch/fused.hpp"
#include "intaglio/simd/arch/stream.hpp"
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

/// How totals are multiplied by their factors: in double, or in float with the same result.
enum class output_path : char { wide, single, split };

/// A total in float, rounded once.
template <class Ints>
INTAGLIO_INLINE auto single_total(Ints total) {
    return __builtin_convertvector(total, simd::vector<float, sizeof(Ints) / sizeof(std::int32_t)>);
}
/// The same of high * 2^carry_bits + low, for sums up to carried_totals::largest_single.
template <class Ints>
INTAGLIO_INLINE auto single_total(Ints high, Ints low) {
    constexpr std::int32_t unit = 1 << simd::carry_bits;
    return single_total(high + (low >> simd::carry_bits)) * static_cast<float>(unit) + single_total(low & (unit - 1));
}

/// An int32 total below 2^26 times a factor of 22 bits, rounded once: without its lowest two bits the total is exact in
/// float, and those times the factor are, too.
template <class Ints>
INTAGLIO_INLINE auto split_product(Ints total, const float* factors) {
    const Ints low = total & 3;
    const auto factor = simd::load_vector<simd::vector<float, sizeof(Ints) / sizeof(std::int32_t)>>(factors);
    return simd::fused(single_total(total - low), factor, single_total(low) * factor);
}
inline constexpr std::int64_t longest_split = std::int64_t{1} << 26;

/// Totals of a tile as they are.
template <class Total>
struct plain_totals {
    const Total* t;
    static constexpr bool has_single = sizeof(Total) == 4;
    Total exact(dim_t e) const { return t[e]; }
    double wide(dim_t e) const { return to_double(t[e]); }
    /// A row of `Count` totals from e on, times factors.
    template <int Count>
    INTAGLIO_INLINE void scale(dim_t e, const double* factors, float* v) const {
        constexpr int lanes = output_lanes<Count> / 2;
        if constexpr (sizeof(Total) == 4)
            for (int j = 0; j < Count; j += lanes)
                store_scaled(convert_vector<double, Total, lanes>(t + e + j), factors + j, v + j);
        else
            for (int j = 0; j < Count; ++j) v[j] = static_cast<float>(wide(e + j) * factors[j]);
    }
    template <int Count>
    INTAGLIO_INLINE void scale(dim_t e, const float* factors, float* v) const {
        constexpr int lanes = output_lanes<Count>;
        for (int j = 0; j < Count; j += lanes)
            store_scaled(convert_vector<float, Total, lanes>(t + e + j), factors + j, v + j);
    }
    template <int Count>
    INTAGLIO_INLINE void scale_split(dim_t e, const float* factors, float* v) const {
        constexpr int lanes = output_lanes<Count>;
        for (int j = 0; j < Count; j += lanes)
            simd::store_vector(
                v + j, split_product(simd::load_vector<simd::vector<std::int32_t, lanes>>(t + e + j), factors + j));
    }
};

/// Totals in two parts: high * 2^carry_bits + low, where low may be any int32.
struct carried_totals {
    const std::int32_t *low, *high;
    static constexpr bool has_single = true;
    static constexpr std::int64_t unit = std::int64_t{1} << simd::carry_bits;
    std::int64_t exact(dim_t e) const { return high[e] * unit + low[e]; }
    double wide(dim_t e) const {
        return static_cast<double>(high[e]) * static_cast<double>(unit) + static_cast<double>(low[e]);
    }
    template <int Count>
    INTAGLIO_INLINE void scale(dim_t e, const double* factors, float* v) const {
        constexpr int lanes = output_lanes<Count> / 2;
        for (int j = 0; j < Count; j += lanes) {
            const auto h = convert_vector<double, std::int32_t, lanes>(high + e + j),
                       l = convert_vector<double, std::int32_t, lanes>(low + e + j);
            store_scaled(h * static_cast<double>(unit) + l, factors + j, v + j);
        }
    }
    /// In float: rounds once for sums up to this magnitude, of which both parts are exact, and so is their sum's
    /// product with a power of two.
    static constexpr double largest_single = static_cast<double>(unit << 24);
    template <int Count>
    INTAGLIO_INLINE void scale(dim_t e, const float* factors, float* v) const {
        constexpr int lanes = output_lanes<Count>;
        using ints = simd::vector<std::int32_t, lanes>;
        for (int j = 0; j < Count; j += lanes)
            store_scaled(single_total(simd::load_vector<ints>(high + e + j), simd::load_vector<ints>(low + e + j)),
                         factors + j, v + j);
    }
};

/// The factors of the columns, as doubles and as floats, and for each panel how totals are multiplied by them. In float
/// where the result is the same: float(t) rounds once and the product is exact where the factor is a power of two;
/// where totals stay below 2^24, float(t) is exact and the product rounds once; and up to 2^26 in two parts.
template <class Traits>
struct output_factors {
    std::vector<double> wide; ///< output_factor of each column; without it where lhs has row scales still to come
    std::vector<float> single;
    static constexpr bool row_scales = Traits::policy::lhs::sharing::by_row && Traits::policy::lhs::block == 0;
    static constexpr bool splits = simd::fuses && std::is_same_v<typename Traits::total, std::int32_t>;
    std::vector<output_path> paths; ///< by panel

    template <class Rhs>
    output_factors(const Rhs& rhs, double lhs_scale)
        : wide(static_cast<std::size_t>(rhs.panels() * Traits::cols)), single(wide.size()),
          paths(static_cast<std::size_t>(rhs.panels())) {
        for (std::size_t j = 0; j < wide.size(); ++j) {
            wide[j] = lhs_scale * rhs.factors()[j];
            if constexpr (!row_scales) wide[j] = output_factor<typename Traits::total>(wide[j]);
            single[j] = static_cast<float>(wide[j]);
        }
        constexpr auto columns = static_cast<std::size_t>(Traits::cols);
        for (std::size_t p = 0; p < paths.size(); ++p) {
            bool normal = true, powers = true;
            for (std::size_t j = p * columns; j < std::min((p + 1) * columns, static_cast<std::size_t>(rhs.n())); ++j) {
                const auto bits = std::bit_cast<std::uint64_t>(wide[j]);
                const int exponent = static_cast<int>(bits >> 52 & 2047) - 1023; // -1023: zero
                powers &= bits << 12 == 0;
                normal &= exponent > -126 && exponent < 95;
            }
            if constexpr (Traits::carries)
                powers = powers &&
                         32768 * l1_bound(rhs.norms(static_cast<dim_t>(p)), rhs.k()) < carried_totals::largest_single;
            std::int64_t bound = std::numeric_limits<std::int64_t>::max();
            if constexpr (std::is_same_v<typename Traits::total, std::int32_t>)
                bound = rhs.unit_bound(static_cast<dim_t>(p)) * Traits::policy::lhs::format::max_magnitude;
            if (normal && (powers || bound < (1 << 24)))
                paths[p] = output_path::single;
            else
                paths[p] = normal && splits && bound < longest_split ? output_path::split : output_path::wide;
        }
    }
};

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
    const dim_t stride = call.out.col_stride;
    float* const out = call.out.data + i0 + j0 * stride;
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

/// Where a whole tile goes straight from its registers: rows of floats, without stages, where the sums are the totals
/// and may be scaled in float.
struct register_output {
    float* out;
    dim_t stride;
    const float* factors;
    output_path path; ///< not wide
    bool streams;     ///< pass the caches by
};
template <class Traits>
struct output_of_sums {
    register_output to;
    const typename Traits::total* kept; ///< sums that go on

    template <class Tile>
    INTAGLIO_INLINE void start(Tile& tile, bool fresh) const {
        if constexpr (!Traits::carries)
            if (!fresh) return tile.load(kept);
        tile.zero();
    }
    template <class Tile>
    INTAGLIO_INLINE void end(Tile& tile, const typename Traits::lane* high) const {
        const auto each = [&](auto&& f) __attribute__((always_inline)) { tile.for_each_sums(f); };
        if constexpr (Traits::floats)
            store_each(
                each, [&](int, int col, auto total)
                          __attribute__((always_inline)) { return times_factors(total, col); });
        else if (high)
            store_each(
                each, [&](int row, int col, auto low) __attribute__((always_inline)) {
                    return times_factors(
                        single_total(simd::load_vector<decltype(low)>(high + row * Traits::cols + col), low), col);
                });
        else
            scale_each(each);
    }
    /// The same of from + sums * scale of the column, which are the totals.
    template <class Tile>
    INTAGLIO_INLINE void end_scaled(Tile& tile, const std::int32_t* from, const std::uint8_t* scales) const {
        scale_each([&](auto&& f) __attribute__((always_inline)) { tile.for_each_scaled(from, scales, f); });
    }

private:
    template <class Total>
    INTAGLIO_INLINE Total times_factors(Total total, int col) const {
        return total * simd::load_vector<Total>(to.factors + col);
    }
    /// Stores value(row, col, total) for each register of totals: each(f) calls f(row, col, total).
    template <class Each, class Value>
    INTAGLIO_INLINE void store_each(const Each& each, const Value& value) const {
        if (to.streams)
            each([&](int row, int col, auto total) __attribute__((always_inline)) {
                simd::stream_vector(to.out + row * to.stride + col, value(row, col, total));
            });
        else
            each([&](int row, int col, auto total) __attribute__((always_inline)) {
                simd::store_vector(to.out + row * to.stride + col, value(row, col, total));
            });
    }
    /// Stores int32 totals times their factors.
    template <class Each>
    INTAGLIO_INLINE void scale_each(const Each& each) const {
        if constexpr (output_factors<Traits>::splits)
            if (to.path == output_path::split)
                return store_each(
                    each, [&](int, int col, auto total)
                              __attribute__((always_inline)) { return split_product(total, to.factors + col); });
        store_each(
            each, [&](int, int col, auto total)
                      __attribute__((always_inline)) { return times_factors(single_total(total), col); });
    }
};

/// Whether an output is so large that what is written first would not be found in a cache when it is read; and lies as
/// streamed stores need it.
template <class Out>
bool streams_output(const Out& out, const cache_sizes& cache) {
    if constexpr (std::is_same_v<Out, matrix_view<float>>) {
        constexpr dim_t line = 64 / static_cast<dim_t>(sizeof(float));
        return out.rows * out.row_stride > cache.l3 / 2 / static_cast<dim_t>(sizeof(float)) &&
               out.row_stride % line == 0 && out.col_stride == 1 &&
               reinterpret_cast<std::uintptr_t>(out.data) % 64 == 0;
    }
    return false;
}

/// From one row of a tile to the next, in rows of the output, or 0 where they are not evenly spaced.
template <class RowMap>
dim_t row_step(const RowMap& map, dim_t first, dim_t rows) {
    if constexpr (std::is_same_v<RowMap, same_row>) return 1;
    const dim_t step = rows > 1 ? map(first + 1) - map(first) : 1;
    for (dim_t i = 1; i < rows; ++i)
        if (map(first + i) != map(first) + i * step) return 0;
    return step;
}

/// Whether tiles may be stored so: plain floats, from sums that are the totals.
template <class Traits, class Call>
constexpr bool leaves_registers = [] {
    if constexpr (!(Traits::through || Traits::scales_in_flush) ||
                  !std::is_same_v<std::remove_cvref_t<decltype(std::declval<Call>().out)>, matrix_view<float>> ||
                  output_factors<Traits>::row_scales)
        return false;
    else if constexpr (!requires { typename Traits::atom::accumulator; })
        return false;
    else
        return std::remove_cvref_t<decltype(std::declval<Call>().stages)>::empty &&
               sizeof(typename Traits::lane) == 4 && Traits::atom::m == 1 && 4 * Traits::atom::n <= simd::widest_vector;
}();

/// Where the whole tile at (i0, j0) may be stored so: its rows are evenly spaced, each contiguous, and its totals may
/// be scaled in float.
template <class Traits, class Call>
std::optional<register_output> output_from_registers(const Call& call, dim_t i0, dim_t j0) {
    const output_path path = call.factors.paths[static_cast<std::size_t>(j0 / Traits::cols)];
    const dim_t step =
        path != output_path::wide && call.out.col_stride == 1 ? row_step(call.row_map, i0, Traits::rows) : 0;
    if (step == 0) return std::nullopt;
    return register_output{call.out.data + call.row_map(i0) * call.out.row_stride + j0, step * call.out.row_stride,
                           call.factors.single.data() + j0, path, call.streams};
}

/// From the totals of one tile to the output.
template <class Traits, class Call, class Totals>
[[gnu::noinline]] void finish_tile(const Call& call, const Totals& totals, dim_t i0, dim_t rows, dim_t j0, dim_t cols) {
    using out_traits = output_traits<std::remove_cvref_t<decltype(call.out)>>;
    constexpr bool row_scales = output_factors<Traits>::row_scales;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.out)>, matrix_view<float>> && !row_scales &&
                  std::remove_cvref_t<decltype(call.stages)>::empty) {
        if (cols == Traits::cols && call.out.col_stride == 1) // nothing is left to do on the way to memory
            return scale_rows<Traits>(call, totals, 0, rows, j0, [&](dim_t i) {
                return call.out.data + call.row_map(i0 + i) * call.out.row_stride + j0;
            });
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.row_map)>, same_row>)
            if (call.out.row_stride == 1) return finish_transposed<Traits>(call, totals, i0, rows, j0, cols);
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
                    v[j] = static_cast<float>(totals.wide(first + j) *
                                              output_factor<typename Traits::total>(wide[j] * row_scale));
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
