// SPDX-License-Identifier: Apache-2.0
#pragma once

// What was lost on the way from FP32 to integers, and the proof that nothing was lost inside a product. Counted per
// conversion and added up by whoever holds the object; a training run prints it at its end.

#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/quantize/dfp.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct conversion_counts {
    std::int64_t converted = 0; ///< values turned into mantissas
    quantize_counts lost;       ///< of them, values clipped and values flushed to zero
    std::int64_t checked = 0;   ///< outputs of integer products that were compared with 64-bit sums (product_check.hpp)
    std::int64_t overflows = 0; ///< those that differed; 0 by proof
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
