// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/schedule.hpp"

#include <utility>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::train {

TEST_CASE("schedules give the rates of PyTorch's schedulers", "[unit][golden]") {
    using rates = std::vector<std::pair<dim_t, double>>; // step, rate: from PyTorch 1.13, first or largest rate 0.4
    const auto check = [](const schedule& s, const rates& expected) {
        s.check();
        for (const auto& [step, rate] : expected) REQUIRE(s(step) == Approx(rate).epsilon(1e-12));
    };
    check({.kind = schedule_kind::step, .rate = 0.4, .steps = 30, .milestones = {10, 20}},
          {{0, 0.4}, {9, 0.4}, {10, 0.04000000000000001}, {20, 0.004000000000000001}, {29, 0.004000000000000001}});
    check({.kind = schedule_kind::cosine, .rate = 0.4, .steps = 30},
          {{0, 0.4}, {1, 0.39890437907365467}, {10, 0.29999999999999993}, {29, 0.00109562092634532}});
    check({.kind = schedule_kind::poly, .rate = 0.4, .steps = 30},
          {{0, 0.4}, {1, 0.39327683210007003}, {10, 0.32659863237109044}, {29, 0.07302967433402216}});
    check({.kind = schedule_kind::onecycle, .rate = 0.4, .steps = 40, .rise = 0.15},
          {{0, 0.016}, {1, 0.09280000000000001}, {5, 0.4}, {6, 0.3882353411764706}, {39, 1.599999999990498e-06}});
}

TEST_CASE("a warm-up rises to the first rate, and rates stay behind the end", "[unit]") {
    const schedule s{.kind = schedule_kind::cosine, .rate = 1, .steps = 10, .warmup = 4, .last = 0.1};
    REQUIRE(s(0) == Approx(0.2));
    REQUIRE(s(3) == Approx(0.8));
    REQUIRE(s(4) == 1);
    REQUIRE(s(14) == Approx(0.1));
    REQUIRE(s(1000) == s(14));
}

TEST_CASE("schedules that make no sense are refused", "[unit]") {
    REQUIRE_THROWS_AS((schedule{.rate = -1}.check()), value_error);
    REQUIRE_THROWS_AS((schedule{.steps = 0}.check()), value_error);
    REQUIRE(mentions<value_error>([] { schedule{.milestones = {3, 2}}.check(); }, "ascend"));
    REQUIRE(mentions<value_error>([] { schedule{.kind = schedule_kind::onecycle, .rise = 1}.check(); }, "is 1"));
}

} // namespace intaglio::train
