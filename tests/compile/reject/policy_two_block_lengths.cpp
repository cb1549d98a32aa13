// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: both operands have scales per block, of different lengths; use one length

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct unequal : int16_blocks {
    using rhs = operand<fixed<14>, per_block<64>>;
};
static_assert(check_policy<unequal>::value);
