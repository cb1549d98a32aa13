// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: one operand has byte planes and the other has not, or stores
// them in another way; give both the same format

#include "intaglio/gemm/gemm.hpp"

using namespace intaglio;

struct half_planes : dfp16_bytes {
    using rhs = operand<fixed<16>, per_tensor>;
};
void product(const lhs_view<half_planes>& lhs, const rhs_view<half_planes>& rhs, matrix_view<float> out) {
    gemm<half_planes>(lhs, rhs, out);
}
