// SPDX-License-Identifier: Apache-2.0
// expect: quantize_blocks: an unsigned format has no room for negative weights; use a signed one

#include "intaglio/quantize/blocks.hpp"

using namespace intaglio;

auto quantized(std::span<const float> weights) { return quantize_blocks<unsigned_fixed<4>>(weights, 1, 32); }
