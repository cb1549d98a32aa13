// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: the total can't hold a single product exactly; use a wider or a float total, or narrow
// an element format

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

// Products of 28-bit mantissas take 54 bits, and totals are exact up to 51.
struct exact : int32_mantissas {
    using total = std::int64_t;
};
static_assert(check_policy<exact>::value);
