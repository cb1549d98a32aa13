// SPDX-License-Identifier: Apache-2.0
// expect: max_safe_chain: floating-point formats have no chain bound

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

constexpr auto bound = max_safe_chain<fp32>();
