// SPDX-License-Identifier: Apache-2.0
// expect: reference_gemm: an output is float or the policy's total

#include "intaglio/gemm/presets.hpp"
#include "intaglio/gemm/reference.hpp"

using namespace intaglio;

void product(const lhs_view<int8_inference>& lhs, const rhs_view<int8_inference>& rhs, matrix_view<double> out) {
    reference_gemm<int8_inference>(lhs, rhs, out);
}
