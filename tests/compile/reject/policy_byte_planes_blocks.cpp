// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: products of byte planes are summed with shifts; use a std::int64_t total and no scales per block

#include "intaglio/gemm/presets.hpp"

struct in_blocks : intaglio::dfp16_planar {
    using rhs = intaglio::operand<intaglio::planar_bytes, intaglio::per_block<32768>>;
};
static_assert(intaglio::check_policy<in_blocks>::value);
