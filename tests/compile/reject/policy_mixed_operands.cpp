// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: one operand is float32 and the other is not; convert one of them

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct mixed : fp32 {
    using rhs = operand<fixed<16>, per_tensor>;
};
static_assert(check_policy<mixed>::value);
