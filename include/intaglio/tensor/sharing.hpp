// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who shares an exponent or a scale. An operand of a product is a matrix of integers together with scales; the sharing
// rule says how many scales there are. It is independent of the element format and of the accumulator: the three are
// separate arguments of a policy.

#include <concepts>

#include "intaglio/core/config.hpp"
#include "intaglio/numeric/format.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// One scale for the whole operand.
struct per_tensor {
    static constexpr dim_t block = 0;
    static constexpr bool by_row = false;
};

/// One scale for each row of lhs, or for each column of rhs (an output channel).
struct per_row {
    static constexpr dim_t block = 0;
    static constexpr bool by_row = true;
};

/// One scale for each run of `N` elements along the reduction, in each row of lhs or column of rhs.
template <dim_t N>
struct per_block {
    static_assert(N >= 1, "per_block<N>: a block holds at least one element");
    static constexpr dim_t block = N;
    static constexpr bool by_row = true;
};

template <class S>
concept Sharing = requires {
    { S::block } -> std::convertible_to<dim_t>;
    { S::by_row } -> std::convertible_to<bool>;
};

/// One side of a product: an element format, and who shares its scales.
template <ElementFormat Format, Sharing Rule>
struct operand {
    using format = Format;
    using sharing = Rule;
    using storage = typename Format::storage;
    static constexpr int planes = Format::planes;
    static constexpr dim_t block = Rule::block;
};

} // namespace intaglio::inline INTAGLIO_ABI
