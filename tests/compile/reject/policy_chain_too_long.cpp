// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: the chain can overflow the accumulator; shorten it, narrow
// an element format or widen the accumulator

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

// Full 16-bit mantissas leave room for two products in 32 bits.
struct two : dfp16_training {
    using chain = fixed_chain<2>;
};
static_assert(check_policy<two>::value);
struct three : dfp16_training {
    using chain = fixed_chain<3>;
};
static_assert(check_policy<three>::value);
