// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: a total is float, std::int32_t or std::int64_t

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

struct wide : int8_inference {
    using total = double;
};
static_assert(check_policy<wide>::value);
