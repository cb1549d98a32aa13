// SPDX-License-Identifier: Apache-2.0
// expect: fixed<Bits>: signed fixed point has 2 to 32 bits, sign included

#include "intaglio/numeric/format.hpp"

using namespace intaglio;

fixed<33>::storage x;
