// SPDX-License-Identifier: Apache-2.0

// A scope changes what it must and leaves the thread as it was. tests/conditions/environment.cpp has what stands on it.

#include "intaglio/core/float_environment.hpp"

#include <limits>
#include <stdexcept>
#include <vector>

#include "intaglio/core/parallel.hpp"
#include "support/catch.hpp"
#include "support/float_mode.hpp"

using namespace intaglio;

namespace {

volatile float one = 1, third = 3, least = std::numeric_limits<float>::denorm_min();

/// Whether this thread rounds to nearest and keeps denormal numbers.
bool computes_as_usual() {
    const float quotient = one / third, sum = least + least, negative = -one / third;
    return quotient == 0x1.555556p-2F && negative == -0x1.555556p-2F && sum == 0x1p-148F &&
           in_float_mode::control() == detail::default_float_control;
}

} // namespace

TEST_CASE("a scope has the default environment and gives back the thread's", "[unit][core]") {
    REQUIRE(computes_as_usual());
    for (const float_mode& mode : float_modes()) {
        bool inside = false, nested = false, holds = false, holds_after_throw = false;
        {
            const in_float_mode set(mode);
            {
                const float_environment scope;
                inside = computes_as_usual();
                { const float_environment again; }
                nested = computes_as_usual();
            }
            holds = set.holds();
            try {
                const float_environment scope;
                throw std::runtime_error("out of the scope");
            } catch (const std::runtime_error&) {
                holds_after_throw = set.holds();
            }
        }
        CAPTURE(mode.name);
        CHECK(inside);
        CHECK(nested);
        CHECK(holds);
        CHECK(holds_after_throw);
        CHECK(computes_as_usual());
    }
}

TEST_CASE("every worker of every executor computes in the default environment", "[unit][core]") {
    thread_pool usual(3);
    for (const float_mode& mode : float_modes()) {
        bool all = true, holds = true;
        {
            const in_float_mode set(mode);
            thread_pool unusual(3); // its threads inherit the mode
            for (const executor_ref exec : {executor_ref(), executor_ref(usual), executor_ref(unusual)}) {
                std::vector<char> usual_here(64, 0);
                exec.for_each(64, [&](dim_t i, int) { usual_here[static_cast<std::size_t>(i)] = computes_as_usual(); });
                for (const char u : usual_here) all = all && u != 0;
                holds = holds && set.holds();
                try {
                    exec.for_each(8, [](dim_t, int) { throw std::runtime_error("out of an iteration"); });
                } catch (const std::runtime_error&) {
                    holds = holds && set.holds();
                }
            }
        }
        CAPTURE(mode.name);
        CHECK(all);
        CHECK(holds);
    }
}
