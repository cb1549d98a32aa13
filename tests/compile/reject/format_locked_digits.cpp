// SPDX-License-Identifier: Apache-2.0
// expect: locked_trits<Digits>: one to five digits fit a signed byte

#include "intaglio/numeric/format.hpp"

using namespace intaglio;

locked_trits<6>::storage x;
