// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: scales per block of lhs are real numbers; use a float total

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct exact_blocks : int16_blocks {
    using total = std::int64_t;
};
static_assert(check_policy<exact_blocks>::value);
