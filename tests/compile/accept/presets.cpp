// SPDX-License-Identifier: Apache-2.0

// Every preset keeps every law, and so does each of the usual changes to one.

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

static_assert(check_policy<fp32>::value);
static_assert(check_policy<dfp16_training>::value);
static_assert(check_policy<dfp16_bytes>::value);
static_assert(check_policy<dfp16_planar>::value);
static_assert(check_policy<dfp16_dial<3>>::value);
static_assert(check_policy<dfp16_dial<1, dfp16_planar>>::value);
static_assert(check_policy<int8_inference>::value);
static_assert(check_policy<int8_signed>::value);
static_assert(check_policy<ternary8_inference<1>>::value);
static_assert(check_policy<ternary8_inference<2, 16>>::value);
static_assert(check_policy<ternary8_inference<3, 128>>::value);
static_assert(check_policy<ternary8_locked<1>>::value);
static_assert(check_policy<ternary8_locked<2>>::value);
static_assert(check_policy<ternary8_locked<3>>::value);
static_assert(check_policy<int4_blocks>::value);
static_assert(check_policy<int16_blocks>::value);
static_assert(check_policy<int32_mantissas>::value);

struct scaled_rows : int8_inference {
    using lhs = operand<fixed<8>, per_row>;
};
static_assert(check_policy<scaled_rows>::value);

struct thirteen_bits : dfp16_training { // the width and the chain of the paper's implementation, inside the bound
    using lhs = operand<fixed<13>, per_tensor>;
    using rhs = operand<fixed<13>, per_tensor>;
    using chain = fixed_chain<128>;
};
static_assert(check_policy<thirteen_bits>::value);
