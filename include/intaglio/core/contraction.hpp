// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether the compiler rounds a * b + c once. By default GCC does wherever the machine can, and tells nobody: no macro
// shows it. Then exact totals are what they are, and so are outputs without stages; but sums behind a product (stages,
// layers, quantizers that search) may have other last bits than under -ffp-contract=off, which the library's own build
// uses. A program that wants the same bits from every compiler and instruction set asks once in its tests:
//
//   assert(!intaglio::contracts());

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Whether the translation unit that calls this was compiled so. Each has flags of its own.
INTAGLIO_INLINE bool contracts() noexcept {
    // (1 + e)^2 - (1 + 2e) is e^2 if rounded once; a product that was rounded before has lost it, in any direction
    volatile float factor = 1 + 0x1p-12F, rest = -(1 + 0x1p-11F);
    const float a = factor, b = factor, c = rest;
    return a * b + c == 0x1p-24F;
}

} // namespace intaglio::inline INTAGLIO_ABI
