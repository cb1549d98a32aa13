// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: products of byte planes are summed with shifts; use a std::int64_t total and no scales per block

#include "intaglio/gemm/presets.hpp"

struct rounded : intaglio::dfp16_planar {
    using total = float;
};
static_assert(intaglio::check_policy<rounded>::value);
