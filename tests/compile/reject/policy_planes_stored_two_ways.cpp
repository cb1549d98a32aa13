// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: one operand has byte planes and the other has not, or stores
// them in another way; give both the same format

#include "intaglio/gemm/presets.hpp"

struct two_ways : intaglio::dfp16_planar {
    using lhs = intaglio::operand<intaglio::byte_planes, intaglio::per_tensor>;
};
static_assert(intaglio::check_policy<two_ways>::value);
