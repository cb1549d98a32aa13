// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: plane_products leaves out products of byte planes; give both
// operands byte_planes or planar_bytes

#include "intaglio/gemm/presets.hpp"

struct half : intaglio::dfp16_training {
    static constexpr int plane_products = 1;
};
static_assert(intaglio::check_policy<half>::value);
