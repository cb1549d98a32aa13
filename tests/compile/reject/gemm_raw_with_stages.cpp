// SPDX-License-Identifier: Apache-2.0
// expect: gemm: raw totals pass no epilogue; store floats or a quantized_view, or drop the stages

#include "intaglio/gemm/gemm.hpp"

using namespace intaglio;

void product(const lhs_view<int8_inference>& lhs, const rhs_view<int8_inference>& rhs, matrix_view<std::int32_t> out) {
    gemm<int8_inference>(lhs, rhs, out, epilogue{relu{}});
}
