// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: lhs has one stored plane; give the planes to rhs

#include "intaglio/gemm/presets.hpp"
#include "intaglio/gemm/reference.hpp"

using namespace intaglio;

struct planes_left : ternary8_inference<1> {
    using lhs = operand<trits<2>, per_tensor>;
};
void product(const lhs_view<planes_left>& lhs, const rhs_view<planes_left>& rhs, matrix_view<float> out) {
    reference_gemm<planes_left>(lhs, rhs, out);
}
