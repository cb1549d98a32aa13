// SPDX-License-Identifier: Apache-2.0
#include "intaglio/optim/schedule.hpp"

#include "support/catch.hpp"

namespace intaglio::optim {

TEST_CASE("schedules at their edges", "[unit]") {
    const step_schedule steps{.rate = 1.0f, .milestones = {10, 20}, .factor = 0.5f};
    REQUIRE(steps(9) == 1.0f);
    REQUIRE(steps(10) == 0.5f);
    REQUIRE(steps(20) == 0.25f);

    const cosine_schedule cosine{.rate = 2.0f, .steps = 100, .last = 1.0f};
    REQUIRE(cosine(0) == 2.0f);
    REQUIRE(static_cast<double>(cosine(50)) == Approx(1.5));
    REQUIRE(cosine(100) == 1.0f);
    REQUIRE(cosine(1'000'000) == 1.0f);

    const warmup rising{3, steps};
    REQUIRE(rising(0) == 0.25f);
    REQUIRE(rising(2) == 0.75f);
    REQUIRE(rising(3) == 1.0f);
    REQUIRE(rising(13) == 0.5f);
    const warmup none{0, steps};
    REQUIRE(none(0) == 1.0f);
}

} // namespace intaglio::optim
