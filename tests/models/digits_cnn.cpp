// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/digits_cnn.hpp"

#include <string>
#include <vector>

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"

namespace intaglio::models {

TEST_CASE("the network for digits, as layers and as data, has the same tensors", "[unit]") {
    const nn::network net = digits_cnn();
    nn::sequential layers = digits_cnn<nn::fp32_numerics>();
    const auto specs = nn::parameter_specs(net);
    const auto parameters = layers.parameters();
    REQUIRE(parameters.size() == specs.size());
    for (std::size_t p = 0; p < specs.size(); ++p) {
        REQUIRE(parameters[p]->name == specs[p].name);
        REQUIRE(parameters[p]->value.size() == specs[p].shape.size());
    }
    REQUIRE(nn::count(net).parameters == 131'178);
}

} // namespace intaglio::models
