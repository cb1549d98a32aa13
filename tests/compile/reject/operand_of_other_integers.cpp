// SPDX-License-Identifier: Apache-2.0
// expect: operand: the tensor stores its integers in another type than the policy's format; quantize to that format

#include "intaglio/gemm/presets.hpp"
#include "intaglio/tensor/block_tensor.hpp"

auto operand(const intaglio::block_tensor<intaglio::fixed<14>>& w) {
    return w.as_rhs<intaglio::rhs_view<intaglio::int8_inference>>();
}
