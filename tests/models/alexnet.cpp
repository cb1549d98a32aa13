// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/alexnet.hpp"

#include <algorithm>

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"

namespace intaglio::models {

TEST_CASE("AlexNet costs what is published", "[unit]") {
    REQUIRE(nn::count(alexnet()).parameters == 61'100'840);
    REQUIRE(nn::count(alexnet()).multiply_adds == 714'188'480);
    REQUIRE(nn::count(alexnet(alexnet_as_published)).parameters == 60'965'224);
    REQUIRE(nn::count(alexnet(alexnet_as_published)).multiply_adds == 724'406'816);
}

TEST_CASE("AlexNet, tensor by tensor", "[unit]") {
    const auto specs = nn::parameter_specs(alexnet({.classes = 10}));
    REQUIRE(specs.size() == 16);
    REQUIRE(specs[2].name == "features.3.weight");
    REQUIRE(specs[2].shape == extents{192, 5, 5, 64});
    REQUIRE(specs[15].name == "classifier.6.bias");
    REQUIRE(specs[15].shape == extents{10});
    REQUIRE(nn::parameter_specs(alexnet(alexnet_as_published))[2].shape == extents{256, 5, 5, 48});
}

TEST_CASE("AlexNet has response norms if asked, and takes larger images", "[unit]") {
    const auto norms = [](const nn::network& net) {
        return std::count_if(net.nodes.begin(), net.nodes.end(), [](const nn::node& n) {
            return std::holds_alternative<nn::op::local_response_norm>(n.op);
        });
    };
    REQUIRE(norms(alexnet()) == 0);
    REQUIRE(norms(alexnet({.response_norm = true})) == 2);
    REQUIRE(nn::count(alexnet({.image = 320})).parameters == 61'100'840);
}

} // namespace intaglio::models
