// SPDX-License-Identifier: Apache-2.0
// expect: gemm policy: of the four products of two byte planes, one, three or four are computed

#include "intaglio/gemm/presets.hpp"

static_assert(intaglio::check_policy<intaglio::dfp16_dial<2>>::value);
