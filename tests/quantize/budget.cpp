// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/budget.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio {
namespace {

std::vector<layer_profile> random_layers(std::size_t count, std::uint64_t stream, dim_t scale) {
    std::vector<layer_profile> layers(count);
    for (std::size_t l = 0; l < count; ++l) {
        layers[l].name = "layer" + std::to_string(l);
        layers[l].sensitivity = 0.5 + static_cast<double>(random_uniform(9, stream, 10 * l));
        const dim_t size = scale * (1 + random_below(20, 9, stream, 10 * l + 1));
        double error = 0.2 + static_cast<double>(random_uniform(9, stream, 10 * l + 2)) / 10;
        for (int r = 1; r <= 4; ++r) {
            layers[l].choices.push_back(
                {r, r * size + static_cast<dim_t>(random_below(3, 9, stream, 10 * l + 5)), error});
            error *=
                0.1 + static_cast<double>(random_uniform(9, stream, 10 * l + 2 + static_cast<std::uint64_t>(r))) / 5;
        }
    }
    return layers;
}

/// The least perturbation over all combinations.
double brute_force(const std::vector<layer_profile>& layers, dim_t budget) {
    std::size_t combinations = 1;
    for (std::size_t l = 0; l < layers.size(); ++l) combinations *= 4;
    double best = 1e300;
    for (std::size_t n = 0; n < combinations; ++n) {
        std::vector<std::size_t> choice;
        for (std::size_t l = 0, rest = n; l < layers.size(); ++l, rest /= 4) choice.push_back(rest % 4);
        const auto plan = detail::evaluate(layers, choice);
        if (plan.cost <= budget) best = std::min(best, plan.perturbation);
    }
    return best;
}

dim_t least_cost(const std::vector<layer_profile>& layers) {
    dim_t sum = 0;
    for (const auto& layer : layers) sum += layer.choices[0].cost;
    return sum;
}

} // namespace

TEST_CASE("the plan is the best of all combinations", "[unit]") {
    for (std::uint64_t trial = 0; trial < 40; ++trial) {
        const auto layers = random_layers(1 + trial % 5, trial, 1);
        const dim_t least = least_cost(layers);
        for (const dim_t budget : {least, least + 1, 2 * least, 3 * least, 5 * least}) {
            const auto plan = choose_planes(layers, budget);
            REQUIRE(plan.cost <= budget);
            REQUIRE(plan.perturbation == Approx(brute_force(layers, budget)));
        }
    }
}

TEST_CASE("large budgets are counted in units and always kept", "[unit]") {
    for (std::uint64_t trial = 0; trial < 5; ++trial) {
        const auto layers = random_layers(5, 100 + trial, 1'000'003);
        const dim_t least = least_cost(layers);
        for (const dim_t budget : {least, 2 * least, 3 * least}) {
            const auto plan = choose_planes(layers, budget);
            REQUIRE(plan.cost <= budget);
            REQUIRE(plan.perturbation <=
                    brute_force(layers, budget - budget / 1000) * 1.0001 + (budget == least ? 1e300 : 0));
        }
    }
}

TEST_CASE("budget edge cases", "[unit]") {
    REQUIRE(choose_planes({}, 0).cost == 0);
    auto layers = random_layers(3, 1, 10);
    REQUIRE_THROWS_AS(choose_planes(layers, least_cost(layers) - 1), value_error);
    const auto plan = choose_planes(layers, 1 << 20);
    for (const std::size_t c : plan.choice) REQUIRE(c == 3);
    const std::string table = to_table(layers, plan);
    REQUIRE(table.find("layer2") != std::string::npos);
    REQUIRE(table.find(std::to_string(plan.cost)) != std::string::npos);
    layers[1].choices.clear();
    REQUIRE_THROWS_AS(choose_planes(layers, 1 << 20), value_error);
    REQUIRE_THROWS_AS(to_table(layers, plane_plan{}), shape_error);
}

} // namespace intaglio
