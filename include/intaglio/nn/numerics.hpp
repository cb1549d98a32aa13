// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of a network's products, in one struct: the policy of the three convolution passes, and how FP32
// tensors become its operands. A layer that multiplies takes one of these as its argument and has one text for all of
// them.

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/quantize/dfp.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// Products of FP32 values: the baseline that every claim is measured against.
struct fp32_numerics {
    using product = fp32;
    static constexpr const char* name = "FP32";
};

/// Products of INT16 pairs: inputs, weights and output gradients are dynamic fixed point with one exponent per tensor,
/// taken from the exact current maximum. Master weights, batch norm, loss and update stay FP32.
///
/// No head-room (the paper shifts by two bits): chains are proven not to overflow, so all 15 magnitude bits are used.
struct dfp16_numerics {
    using product = dfp16_training;
    static constexpr dfp_spec spec{.bits = 16, .head_room = 0};
    static constexpr const char* name = "DFP16";
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
