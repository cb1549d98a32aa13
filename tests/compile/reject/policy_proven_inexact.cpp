// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: a proven chain ends where the data say, so only an exact
// total gives the same result everywhere; use std::int64_t

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct inexact : dfp16_training {
    using total = float;
};
static_assert(check_policy<inexact>::value);
