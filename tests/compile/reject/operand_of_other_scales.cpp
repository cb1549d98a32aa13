// SPDX-License-Identifier: Apache-2.0
// expect: operand: the tensor's scales are of another type than the policy's: 8-bit integers per block where the total
// is integral, real numbers otherwise; use another quantizer or total

#include "intaglio/gemm/presets.hpp"
#include "intaglio/tensor/block_tensor.hpp"

auto operand(const intaglio::block_tensor<intaglio::fixed<4>>& w) {
    return w.as_rhs<intaglio::rhs_view<intaglio::ternary8_locked<2>>>();
}
