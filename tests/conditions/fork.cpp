// SPDX-License-Identifier: Apache-2.0

// After a fork() everything works in the child, with the pool of the parent too: the same bits, serially.

#include <vector>

#include "conditions/families.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"

using namespace intaglio;
using namespace intaglio::conditions;

TEST_CASE("a forked child computes the same bits with its parent's pool", "[exact]") {
    thread_pool pool(3);
    std::vector<bytes> expected;
    for (const family& f : families()) expected.push_back(result_of(f, pool));
    const child_end end = in_child(300, [&] {
        int wrong = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) wrong += result_of(families()[i], pool) != expected[i];
        thread_pool own(2);
        for (std::size_t i = 0; i < expected.size(); ++i) wrong += result_of(families()[i], own) != expected[i];
        return wrong;
    });
    CHECK(end.status == 0);
    CHECK(end.signal == 0);
    CHECK(result_of(families()[0], pool) == expected[0]); // and the parent's pool is as it was
}
