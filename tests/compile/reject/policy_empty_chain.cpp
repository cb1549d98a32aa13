// SPDX-License-Identifier: Apache-2.0
// expect: fixed_chain<N>: a chain holds at least one product

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

constexpr auto length = fixed_chain<0>::length;
