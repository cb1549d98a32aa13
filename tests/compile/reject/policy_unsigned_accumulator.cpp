// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: integer operands need an integer accumulator; use std::int16_t, std::int32_t or std::int64_t

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct wrapping : ternary8_inference<1> {
    using accumulator = std::uint16_t;
};
static_assert(check_policy<wrapping>::value);
