// SPDX-License-Identifier: Apache-2.0
// expect: operand: locked digits are one plane of codes, and the policy sums several; use locked_trits

#include "intaglio/gemm/presets.hpp"
#include "intaglio/tensor/ternary_tensor.hpp"

auto operand(const intaglio::locked_tensor& w) {
    return w.as_rhs<intaglio::rhs_view<intaglio::ternary8_inference<2>>>();
}
