// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the library and policy_table.py say of the same policies, for policy_laws.cpp.

#include <vector>

#include "intaglio/gemm/policy.hpp"

namespace policy_laws {

using namespace intaglio;

template <class L, class LhsScales, class R, class RhsScales, class Accumulator, class Total, class Chain>
struct policy {
    using lhs = operand<L, LhsScales>;
    using rhs = operand<R, RhsScales>;
    using accumulator = Accumulator;
    using total = Total;
    using chain = Chain;
};

struct verdict {
    policy_law library, table;
    const char* policy;
};
extern const std::vector<verdict> verdicts;

} // namespace policy_laws
