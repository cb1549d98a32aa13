// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: float32 elements have exponents of their own and no scales per block; use per_tensor or per_row

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct scaled : fp32 {
    using rhs = operand<float32, per_block<32>>;
};
static_assert(check_policy<scaled>::value);
