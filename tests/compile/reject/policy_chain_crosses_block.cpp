// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: a chain crosses the end of a block that shares a scale; make the block a multiple of the chain

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct crossing : ternary8_inference<1, 48> {
    using chain = fixed_chain<32>;
};
static_assert(check_policy<crossing>::value);
