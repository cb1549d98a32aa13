// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: a proven chain with scales per block is not supported; use fixed_chain<N>

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct blocks : dfp16_training {
    using rhs = operand<fixed<16>, per_block<32>>;
};
static_assert(check_policy<blocks>::value);
