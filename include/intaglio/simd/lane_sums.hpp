// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums and maxima across lanes of int32, by the compiler's generic vectors. Four registers are summed at once: two rounds of interleaving and adding bring the
// four sums side by side, in a quarter of the instructions of sums one by one.

#include <cstdint>
#include <cstring>

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

/// sums[g] = {sum of a's lanes 8 g .. 8 g + 7, of b's, of c's, of d's}. `Register` is any vector whose bits are lanes of int32; one of four lanes is half a group.
template <class Register>
INTAGLIO_INLINE void sum_eights(Register a, Register b, Register c, Register d, four_lanes* sums) {
    constexpr int lanes = sizeof(Register) / 4;
    using int32s = vector<std::int32_t, lanes>;
    // within each 128 bits: (x y) are pairs of sums of x and y, then (x y z w) the sums of all four
    const auto add_pairs = [](int32s x, int32s y) __attribute__((always_inline)) {
        if constexpr (lanes == 16)
            return __builtin_shufflevector(x, y, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
                   __builtin_shufflevector(x, y, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
        else if constexpr (lanes == 8)
            return __builtin_shufflevector(x, y, 0, 8, 1, 9, 4, 12, 5, 13) + __builtin_shufflevector(x, y, 2, 10, 3, 11, 6, 14, 7, 15);
        else
            return __builtin_shufflevector(x, y, 0, 4, 1, 5) + __builtin_shufflevector(x, y, 2, 6, 3, 7);
    };
    const auto add_quads = [](int32s x, int32s y) __attribute__((always_inline)) {
        if constexpr (lanes == 16)
            return __builtin_shufflevector(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                   __builtin_shufflevector(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        else if constexpr (lanes == 8)
            return __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13) + __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
        else
            return __builtin_shufflevector(x, y, 0, 1, 4, 5) + __builtin_shufflevector(x, y, 2, 3, 6, 7);
    };
    const int32s ab = add_pairs(reinterpret_cast<int32s>(a), reinterpret_cast<int32s>(b)), cd = add_pairs(reinterpret_cast<int32s>(c), reinterpret_cast<int32s>(d));
    const int32s all = add_quads(ab, cd);
    four_lanes parts[lanes / 4];
    std::memcpy(parts, &all, sizeof all);
    if constexpr (lanes == 4)
        sums[0] = parts[0];
    else
        for (int g = 0; g < lanes / 8; ++g) sums[g] = parts[2 * g] + parts[2 * g + 1];
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
