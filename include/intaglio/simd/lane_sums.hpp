// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums and maxima across lanes of int32, by the compiler's generic vectors. Four registers are joined at once: two
// rounds of interleaving and adding bring the four sums side by side, in a quarter of the instructions of sums one by
// one.

#include <cstdint>
#include <cstring>
#include <utility>

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

using four_lanes = vector<std::int32_t, 4>;

INTAGLIO_INLINE four_lanes larger(four_lanes a, four_lanes b) { return a > b ? a : b; }

/// Of each four lanes of v, one after the other, the largest: {max v[0], v[4], ..; max v[1], v[5], ..; ..}.
template <class Vector>
INTAGLIO_INLINE four_lanes largest_of_fours(Vector v) {
    four_lanes parts[sizeof(Vector) / sizeof(four_lanes)];
    std::memcpy(parts, &v, sizeof v);
    four_lanes most = parts[0];
    for (std::size_t p = 1; p < sizeof(Vector) / sizeof(four_lanes); ++p) most = larger(most, parts[p]);
    return most;
}

namespace detail {
/// Interleaves x and y in units of `Unit` lanes within each 128 bits, and joins the two halves: {x0 + x2, y0 + y2, x1 +
/// x3, y1 + y3} for one lane, {x0 + x2, x1 + x3, y0 + y2, y1 + y3} for two, with join(a, b) for a + b.
template <int Unit, class Vector, class Join, int... I>
INTAGLIO_INLINE Vector interleave_and_join(Vector x, Vector y, Join join, std::integer_sequence<int, I...>) {
    constexpr int lanes = sizeof...(I);
    // lane I takes an element of x or, `lanes` further on, of y
    constexpr auto from = [](int i) {
        return i / 4 * 4 + (Unit == 1 ? i % 4 / 2 + i % 2 * lanes : i % 2 + i % 4 / 2 * lanes);
    };
    return join(__builtin_shufflevector(x, y, from(I)...), __builtin_shufflevector(x, y, (from(I) + 2)...));
}
/// {a joined over each four lanes, b, c, d} for each four lanes.
template <class Vector, class Join>
INTAGLIO_INLINE Vector join_fours(Vector a, Vector b, Vector c, Vector d, Join join) {
    constexpr std::make_integer_sequence<int, sizeof(Vector) / 4> all_lanes{};
    return interleave_and_join<2>(interleave_and_join<1>(a, b, join, all_lanes),
                                  interleave_and_join<1>(c, d, join, all_lanes), join, all_lanes);
}
} // namespace detail

/// sums[g] = {sum of a's lanes 4 g .. 4 g + 3, of b's, of c's, of d's}. `Register` is any vector whose bits are lanes
/// of int32.
template <class Register>
INTAGLIO_INLINE void sum_fours(Register a, Register b, Register c, Register d, four_lanes* sums) {
    using int32s = vector<std::int32_t, sizeof(Register) / 4>;
    const auto joined = detail::join_fours(
        reinterpret_cast<int32s>(a), reinterpret_cast<int32s>(b), reinterpret_cast<int32s>(c),
        reinterpret_cast<int32s>(d), [](int32s x, int32s y) __attribute__((always_inline)) { return x + y; });
    std::memcpy(sums, &joined, sizeof joined);
}

/// {the largest lane of a, of b, of c, of d}.
template <class Vector>
INTAGLIO_INLINE four_lanes largest_of_each(Vector a, Vector b, Vector c, Vector d) {
    return detail::join_fours(largest_of_fours(a), largest_of_fours(b), largest_of_fours(c), largest_of_fours(d),
                              larger);
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
