// SPDX-License-Identifier: Apache-2.0
#pragma once

// The short way to memory: a whole tile goes straight from its registers to the output, if that is rows of floats
// without stages, the sums are the totals, and they may be scaled in float. Everything else goes by way of a tile of
// totals in L1 (output.hpp).

#include <cstdint>
#include <optional>
#include <type_traits>

#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/gemm/output_factors.hpp"
#include "intaglio/gemm/totals.hpp"
#include "intaglio/simd/arch/stream.hpp"
#include "intaglio/simd/cache_sizes.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

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
                          __attribute__((always_inline)) { return float_values(total, to.factors + col); });
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
        return out.rows() * out.row_stride() > cache.l3 / 2 / static_cast<dim_t>(sizeof(float)) &&
               out.row_stride() % line == 0 && out.col_stride() == 1 &&
               reinterpret_cast<std::uintptr_t>(out.data()) % 64 == 0;
    }
    return false;
}

/// Whether sums may leave registers as the totals of plain floats.
template <class Traits>
constexpr bool leaves_registers = [] {
    if constexpr (!(Traits::through || Traits::scales_in_flush) || output_factors<Traits>::row_scales ||
                  !requires { typename Traits::atom::accumulator; })
        return false;
    else
        return sizeof(typename Traits::lane) == 4 && Traits::atom::m == 1 && 4 * Traits::atom::n <= simd::widest_vector;
}();

/// Where the whole tile at (i0, j0) may be stored so: its rows are evenly spaced, each contiguous, and its totals may
/// be scaled in float.
template <class Traits, class Target>
std::optional<register_output> place_of_tile(const Target& to, const output_factors<Traits>& factors, bool streams,
                                             dim_t i0, dim_t j0) {
    const output_path path = factors.paths[static_cast<std::size_t>(j0 / Traits::cols)];
    const dim_t step = path != output_path::wide && to.out.col_stride() == 1 ? to.row_step(i0, Traits::rows) : 0;
    if (step == 0) return std::nullopt;
    return register_output{to.out.data() + to.row(i0) * to.out.row_stride() + j0, step * to.out.row_stride(),
                           factors.single.data() + j0, path, streams};
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
