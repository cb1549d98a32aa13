// SPDX-License-Identifier: Apache-2.0
// expect: gemm: an integral output takes the policy's raw totals; its element type must be the policy's total

#include "intaglio/gemm/gemm.hpp"

using namespace intaglio;

// The raw totals of int8_inference are int32.
void product(const lhs_view<int8_inference>& lhs, const rhs_view<int8_inference>& rhs, matrix_view<std::int64_t> out) {
    gemm<int8_inference>(lhs, rhs, out);
}
