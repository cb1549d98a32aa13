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

constexpr dim_t round_up(dim_t value, dim_t multiple) { return (value + multiple - 1) / multiple * multiple; }
constexpr dim_t ceil_div(dim_t value, dim_t divisor) { return (value + divisor - 1) / divisor; }

/// kc, in elements; `by_rows`: lhs is not interleaved.
template <class Traits>
dim_t reduction_block(const cache_sizes& cache, bool by_rows) {
    constexpr dim_t granule = std::max<dim_t>(64, Traits::k);
    const dim_t fit = (by_rows ? 2 : 1) * cache.l1 / (Traits::narrow_bits > 0 ? 2 : 1) /
                      (Traits::cols * static_cast<dim_t>(sizeof(typename Traits::rhs_digit)) * Traits::split_planes);
    return std::max(granule, fit / granule * granule);
}

/// Rows of lhs in one block.
template <class Traits>
dim_t row_block(const cache_sizes& cache, dim_t kc) {
    const dim_t row_bytes = kc * static_cast<dim_t>(sizeof(typename Traits::lhs_digit)) * Traits::lhs_planes;
    return std::max<dim_t>(1, cache.l2 / 2 / row_bytes / Traits::rows) * Traits::rows;
}

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI
