// SPDX-License-Identifier: Apache-2.0
// expect: operand: the tensor has scales per row or block, and the policy one for the whole operand; use per_row or
// per_block<N>

#include "intaglio/gemm/presets.hpp"
#include "intaglio/tensor/block_tensor.hpp"

auto operand(const intaglio::block_tensor<intaglio::fixed<8>>& x) {
    return x.as_lhs<intaglio::lhs_view<intaglio::int8_signed>>();
}
