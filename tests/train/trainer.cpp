// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/trainer.hpp"

#include <optional>
#include <vector>

#include "intaglio/models/small_cnn.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::train {
namespace {

// Floats are the same text with fewer parts: no exponents.
using training = trainer<std::int16_t>;

struct setup {
    nn::network net = models::small_cnn({.classes = 4, .height = 8, .width = 8});
    nn::parameters first;
    setup() { nn::he_initialize(net, first, 3); }
    training start() const {
        return training(net, 6, first, {}, {.momentum = 0.9F, .weight_decay = 1e-3F, .nesterov = true});
    }
};

struct batch {
    std::vector<float> images = std::vector<float>(6 * 64);
    std::vector<std::int32_t> labels;

    explicit batch(std::uint64_t seed) {
        for (std::size_t i = 0; i < images.size(); ++i) images[i] = random_uniform(seed, 1, i);
        for (std::uint64_t i = 0; i < 6; ++i) labels.push_back(static_cast<std::int32_t>(random_below(4, seed, 2, i)));
    }
};

double step(training& t) {
    const batch b(static_cast<std::uint64_t>(t.steps()));
    return t.step(b.images, b.labels, 0.05).loss;
}

score evaluate(training& t) {
    const batch b(100);
    int left = 2;
    return t.evaluate([&]() -> std::optional<labelled_images> {
        if (left-- == 0) return std::nullopt;
        return labelled_images{b.images, std::span(b.labels).first(left == 0 ? 2 : 6)};
    });
}

void require_same(training_state a, training_state b) {
    REQUIRE(a.step == b.step);
    REQUIRE(a.exponents == b.exponents);
    for (std::size_t i = 0; i < a.parameters.count(); ++i) {
        REQUIRE(std::equal(a.parameters[i].begin(), a.parameters[i].end(), b.parameters[i].begin()));
        REQUIRE(std::equal(a.velocities[i].begin(), a.velocities[i].end(), b.velocities[i].begin()));
    }
}

} // namespace

TEST_CASE("a training that is cut goes on with the same bits, tests on the way or not", "[unit][exact]") {
    const setup s;
    training whole = s.start(), before = s.start(), behind = s.start();
    for (int i = 0; i < 3; ++i) REQUIRE(step(whole) == step(before));
    const score first = evaluate(whole);
    REQUIRE(first.images == 8);
    REQUIRE(first.loss == evaluate(whole).loss);
    behind.resume(before.state());
    REQUIRE(behind.steps() == 3);
    for (int i = 0; i < 3; ++i) {
        evaluate(behind);
        REQUIRE(step(whole) == step(behind));
    }
    require_same(whole.state(), behind.state());
}

TEST_CASE("a state that does not fit changes nothing", "[unit]") {
    const setup s;
    training t = s.start();
    step(t);
    const training_state state = t.state();
    training_state other = state;
    other.exponents.pop_back();
    REQUIRE(mentions<value_error>([&] { t.resume(other); }, "exponents"));
    other = state;
    other.velocities.front() = tensor<float>({1});
    REQUIRE(mentions<value_error>([&] { t.resume(other); }, "conv1.weight"));
    other = state;
    other.parameters = nn::parameters(models::small_cnn({.classes = 5, .height = 8, .width = 8}));
    REQUIRE_THROWS_AS(t.resume(other), value_error);
    REQUIRE_THROWS_AS(training(s.net, 6, other.parameters), value_error);
    require_same(t.state(), state);
}

TEST_CASE("a step that breaks down names itself and the tensor", "[unit]") {
    const setup s;
    training t = s.start();
    step(t);
    training_state spoilt = t.state();
    spoilt.parameters.at("conv3.weight")[5] = std::numeric_limits<float>::infinity();
    REQUIRE(first_not_finite(spoilt.parameters) == "conv3.weight");
    t.resume(spoilt);
    REQUIRE(mentions<value_error>([&] { step(t); }, "step 1", "conv3", "lower the learning rate"));
    REQUIRE(t.steps() == 1);
}

} // namespace intaglio::train
