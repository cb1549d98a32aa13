// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a convolution is computed. The result has the same bits either way, so that this is a matter of speed alone:
// `direct` multiplies every tap, `winograd` (conv/winograd.hpp) takes 16 products for 36 where a 3 x 3 kernel moves by
// one pixel and the numbers are small enough.

#include <cstdint>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

enum class algorithm {
    automatic, ///< whichever is faster, by a rule that was measured; direct where the other can't be exact
    direct,
    winograd, ///< refused with a value_error where it can't be exact, unless conv_form::or_direct
};

/// How a pass is computed, and what the caller knows of its activations (or gradients): no element is larger than
/// `largest` in magnitude, as the head-room of a DFP tensor says. 0: nothing is known; then automatic is direct, and
/// algorithm::winograd looks at them in every call, a pass through memory. Of bytes nothing need be known.
struct conv_form {
    algorithm how = algorithm::automatic;
    std::int32_t largest = 0;
    bool or_direct = false; ///< direct where algorithm::winograd can't be exact, or is slow since numbers are large
};

} // namespace intaglio::inline INTAGLIO_ABI
