// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the weights of an integer network wait in memory (integer_network.hpp). Answers are the same.

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

enum class weight_memory {
    fast,  ///< in fewer bits than a byte has where that takes 2 % longer at most
    small, ///< wherever that saves memory, and a finer plane as what it adds to the coarser ones, which are shared
    bytes, ///< never
};

/// How the weights of a product wait, with a number of planes.
struct stored_weights {
    int planes = 0;
    dim_t bytes = 0;       ///< of its own
    bool compact = false;  ///< in fewer bits than bytes (gemm/compact_panels.hpp)
    int added_to = 0;      ///< the number of planes whose memory it shares; 0: none
    bool winograd = false; ///< transformed, for Winograd's products (conv/winograd.hpp)
    bool pairs = false;    ///< multiplied as bytes where others are widened (int7_inference)
};

} // namespace intaglio::inline INTAGLIO_ABI::infer
