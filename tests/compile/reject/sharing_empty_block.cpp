// SPDX-License-Identifier: Apache-2.0
// expect: per_block<N>: a block holds at least one element

#include "intaglio/tensor/sharing.hpp"

using namespace intaglio;

constexpr auto block = per_block<0>::block;
