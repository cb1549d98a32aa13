// SPDX-License-Identifier: Apache-2.0
#pragma once

// How large the blocks of the five loops are: from the shape of the register tile and the sizes of this machine's
// caches, read once a call.
//
//   kc  so that a panel of rhs (kc x nr) is about twice L1: what a step takes of it comes from L2 in time, and fewer
//       blocks mean fewer flushes and totals that wait; but about L1 where lhs is interleaved, of which a step takes
//       lines that other tiles share
//   mc  so that a block of lhs (mc x kc) stays in half of L2
//   nc  so that the totals of a block (mc x nc) that wait for the next kc stay in L2 too

#include <algorithm>

#include "intaglio/core/config.hpp"
#include "intaglio/simd/cache_sizes.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

constexpr index round_up(index value, index multiple) { return (value + multiple - 1) / multiple * multiple; }
constexpr index ceil_div(index value, index divisor) { return (value + divisor - 1) / divisor; }

/// kc, in elements; `by_rows`: lhs is not interleaved.
template <class Traits>
index reduction_block(const cache_sizes& cache, bool by_rows) {
    constexpr index granule = std::max<index>(64, Traits::k);
    const index fit = (by_rows ? 2 : 1) * cache.l1 / (Traits::narrow_bits > 0 ? 2 : 1) /
                      (Traits::cols * static_cast<index>(sizeof(typename Traits::rhs_digit)) * Traits::split_planes);
    return std::max(granule, fit / granule * granule);
}

/// Rows of lhs in one block.
template <class Traits>
index row_block(const cache_sizes& cache, index kc) {
    const index row_bytes = kc * static_cast<index>(sizeof(typename Traits::lhs_digit)) * Traits::lhs_planes;
    return std::max<index>(1, cache.l2 / 2 / row_bytes / Traits::rows) * Traits::rows;
}

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI
