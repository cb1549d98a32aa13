// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/squeezenet.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"

namespace intaglio::models {

TEST_CASE("SqueezeNet 1.1 costs what is published", "[unit]") {
    const nn::network_counts counts = nn::count(squeezenet());
    REQUIRE(counts.parameters == 1'235'496);
    REQUIRE(static_cast<double>(counts.multiply_adds) / 1e9 == Approx(0.349).margin(5e-4));
    REQUIRE(nn::parameter_specs(squeezenet({.classes = 7})).back().name == "classifier.1.bias");
}

} // namespace intaglio::models
