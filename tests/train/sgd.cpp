// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/sgd.hpp"

#include <vector>

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"

namespace intaglio::train {
namespace {

/// One step of a product with a bias, from weights of 2 and gradients of 1, at rate 0.5: {a weight, a bias}.
std::vector<float> after_steps(const sgd_options& options, int steps) {
    nn::network_builder net;
    const auto x = net.input(1, 1, 3);
    const nn::network network = net.finish(net.linear("fc", net.flatten(x), {.out_features = 2}));
    nn::parameters parameters(network);
    std::vector<tensor<float>> gradients;
    for (std::size_t i = 0; i < parameters.count(); ++i) {
        std::fill_n(parameters[i].data(), parameters[i].size(), 2.0F);
        gradients.emplace_back(parameters.spec(i).shape);
        std::fill_n(gradients.back().data(), gradients.back().size(), 1.0F);
    }
    sgd optimizer(parameters, options);
    for (int s = 0; s < steps; ++s) optimizer.step(parameters, gradients, 0.5F);
    std::vector<float> firsts;
    for (std::size_t i = 0; i < parameters.count(); ++i) firsts.push_back(parameters[i].data()[0]);
    return firsts;
}

} // namespace

TEST_CASE("weight decay takes weights alone, or all parameters", "[unit]") {
    CHECK(after_steps({.momentum = 0, .weight_decay = 0.25F}, 1) == std::vector{1.25F, 1.5F});
    CHECK(after_steps({.momentum = 0, .weight_decay = 0.25F, .decay_all = true}, 1) == std::vector{1.25F, 1.25F});
}

TEST_CASE("momentum keeps what came before, Nesterov's looks ahead", "[unit]") {
    CHECK(after_steps({.momentum = 0.5F}, 2) == std::vector{0.75F, 0.75F});                     // 2 - 0.5 - 0.75
    CHECK(after_steps({.momentum = 0.5F, .nesterov = true}, 1) == std::vector{1.25F, 1.25F});   // 2 - 0.5 (1 + 0.5)
    CHECK(after_steps({.momentum = 0.5F, .nesterov = true}, 2) == std::vector{0.375F, 0.375F}); // - 0.5 (1 + 0.75)
}

TEST_CASE("options out of range are refused", "[unit]") {
    CHECK_THROWS_AS(after_steps({.momentum = 1}, 1), value_error);
    CHECK_THROWS_AS(after_steps({.momentum = -0.1F}, 1), value_error);
    CHECK_THROWS_AS(after_steps({.weight_decay = -1}, 1), value_error);
}

} // namespace intaglio::train
