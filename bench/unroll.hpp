// SPDX-License-Identifier: Apache-2.0
#pragma once

// A loop that is unrolled by the language and not by an optimiser's heuristics: what keeps a register tile in
// registers.

#include <type_traits>
#include <utility>

#include "intaglio/core/config.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

/// Calls f(std::integral_constant<int, 0>{}) ... f(std::integral_constant<int, N - 1>{}). `f` should be marked
/// always_inline.
template <int N, class F>
INTAGLIO_INLINE constexpr void unroll(F&& f) {
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
        (f(std::integral_constant<int, I>{}), ...);
    }
    (std::make_integer_sequence<int, N>{});
}

} // namespace kernel_tables::INTAGLIO_ARCH
