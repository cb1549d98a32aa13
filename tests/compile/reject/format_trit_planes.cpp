// SPDX-License-Identifier: Apache-2.0
// expect: trits<Planes>: a ternary operand has 1 to 8 planes

#include "intaglio/numeric/format.hpp"

using namespace intaglio;

trits<9>::storage x;
