// SPDX-License-Identifier: Apache-2.0
#pragma once

// Quotient and remainder together. Many CPUs divide 64 bits three to four times as slowly as 32 (Intel's before Ice
// Lake: 42 to 95 cycles beside 26), and where a row or a pixel lies is asked for every tile of a product.

#include <cstdint>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

struct division {
    dim_t quotient, remainder;
};

/// a / b and a % b, for a >= 0 and b > 0.
INTAGLIO_INLINE division divide(dim_t a, dim_t b) {
    if (((a | b) >> 32) == 0) {
        const auto x = static_cast<std::uint32_t>(a), y = static_cast<std::uint32_t>(b);
        return {static_cast<dim_t>(x / y), static_cast<dim_t>(x % y)};
    }
    return {a / b, a % b};
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
