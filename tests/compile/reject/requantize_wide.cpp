// SPDX-License-Identifier: Apache-2.0
// expect: requantize: the format has more bits than a float; quantize from double

#include "intaglio/numeric/rescale.hpp"

using namespace intaglio;

auto value = requantize<fixed<32>>(1.0F, 1.0F);
