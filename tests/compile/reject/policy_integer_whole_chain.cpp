// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: an integer accumulator can overflow; use fixed_chain<N> or proven_chain

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct unbounded : int8_inference {
    using chain = whole_chain;
};
static_assert(check_policy<unbounded>::value);
