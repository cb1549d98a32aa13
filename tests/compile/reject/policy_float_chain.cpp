// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: a float accumulator sums the reduction in one chain; use whole_chain

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct chopped : fp32 {
    using chain = fixed_chain<8>;
};
static_assert(check_policy<chopped>::value);
