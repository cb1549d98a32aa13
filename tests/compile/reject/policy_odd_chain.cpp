// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: a chain is fixed_chain<N>, proven_chain or whole_chain; use one of them

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct endless : int8_inference {
    using chain = void;
};
static_assert(check_policy<endless>::value);
