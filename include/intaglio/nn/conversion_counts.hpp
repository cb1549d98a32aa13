// SPDX-License-Identifier: Apache-2.0
#pragma once

// What was lost on the way from FP32 to integers, summed over all conversions of a run. (That nothing is lost inside a
// product is another matter: chains are proven, and gemm/audit.hpp is the witness.)

#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/quantize/dfp.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct conversion_counts {
    std::int64_t converted = 0; ///< values turned into mantissas
    quantize_counts lost;       ///< of them, values clipped and values flushed to zero
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
