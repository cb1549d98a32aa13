// SPDX-License-Identifier: Apache-2.0
#include "intaglio/optim/sgd.hpp"

#include "support/catch.hpp"

namespace intaglio::optim {
namespace {

nn::parameter make(const char* name, float value, float gradient, bool trained = true, bool decays = true) {
    nn::parameter p(name, {1}, trained, decays);
    p.value[0] = value;
    if (trained) p.gradient[0] = gradient;
    return p;
}

} // namespace

TEST_CASE("two steps of momentum, by hand", "[exact]") {
    nn::parameter w = make("w", 1.0f, 0.5f);
    sgd plain({&w}, {.momentum = 0.5f});
    plain.step(0.25f); // v = 0.5
    REQUIRE(w.value[0] == 0.875f);
    plain.step(0.25f); // v = 0.75
    REQUIRE(w.value[0] == 0.6875f);

    nn::parameter u = make("u", 1.0f, 0.5f);
    sgd nesterov({&u}, {.momentum = 0.5f, .nesterov = true});
    nesterov.step(0.25f); // v = 0.5, d + 0.5 v = 0.75
    REQUIRE(u.value[0] == 0.8125f);
}

TEST_CASE("decay acts where it should, and running statistics stay", "[exact]") {
    nn::parameter w = make("w", 2.0f, 0.0f), b = make("b", 2.0f, 0.0f, true, false),
                  statistic = make("s", 2.0f, 0.0f, false);
    sgd optimizer({&w, &b, &statistic}, {.momentum = 0.0f, .weight_decay = 0.25f});
    optimizer.step(0.5f);
    REQUIRE(w.value[0] == 1.75f);
    REQUIRE(b.value[0] == 2.0f);
    REQUIRE(statistic.value[0] == 2.0f);
}

TEST_CASE("options out of range are refused", "[unit]") {
    REQUIRE_THROWS_AS(sgd({}, {.momentum = 1.0f}), value_error);
    REQUIRE_THROWS_AS(sgd({}, {.momentum = -0.1f}), value_error);
    REQUIRE_THROWS_AS(sgd({}, {.weight_decay = -1.0f}), value_error);
}

} // namespace intaglio::optim
