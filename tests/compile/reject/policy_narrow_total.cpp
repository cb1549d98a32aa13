// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: the total is narrower than the accumulator; widen it

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct narrow : int32_mantissas {
    using total = std::int32_t;
};
static_assert(check_policy<narrow>::value);
