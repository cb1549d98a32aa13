// SPDX-License-Identifier: Apache-2.0
// expect: unsigned_fixed<Bits>: unsigned fixed point has 1 to 16 bits

#include "intaglio/numeric/format.hpp"

using namespace intaglio;

unsigned_fixed<17>::storage x;
