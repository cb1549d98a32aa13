// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: integer operands need an integer accumulator

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct rounding : dfp16_bytes {
    using accumulator = float;
};
static_assert(check_policy<rounding>::value);
