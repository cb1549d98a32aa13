// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: float32 operands need a float accumulator and a float total

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct truncating : fp32 {
    using total = std::int32_t;
};
static_assert(check_policy<truncating>::value);
