// SPDX-License-Identifier: Apache-2.0
// expect: constraint

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

// No chain: not a policy at all, so it is the concept that speaks.
struct incomplete {
    using lhs = operand<fixed<8>, per_tensor>;
    using rhs = lhs;
    using accumulator = std::int32_t;
    using total = std::int32_t;
};
static_assert(check_policy<incomplete>::value);
