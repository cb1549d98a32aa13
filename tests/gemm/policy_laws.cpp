// SPDX-License-Identifier: Apache-2.0

// The laws of gemm/policy.hpp against a second statement of them in policy_table.py: for combinations of formats,
// scales, accumulators, totals and chains both name the same law, or none. What they accept, policy_table.hpp compiles
// and runs.

#include "gemm/policy_laws.hpp"

#include "support/catch.hpp"

TEST_CASE("the library and the table of policies know the same laws", "[unit]") {
    int kept = 0;
    for (const policy_laws::verdict& v : policy_laws::verdicts) {
        INFO(v.policy << ": law " << static_cast<int>(v.library) << ", the table says " << static_cast<int>(v.table));
        CHECK(v.library == v.table);
        kept += v.library == intaglio::policy_law::kept;
    }
    CHECK(kept > 0);
    CHECK(kept < static_cast<int>(policy_laws::verdicts.size()));
}
