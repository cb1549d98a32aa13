// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/digits_cnn.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"

namespace intaglio::models {

TEST_CASE("the network for digits", "[unit]") {
    const nn::network_counts counts = nn::count(digits_cnn());
    REQUIRE(counts.parameters == 131'178);
    REQUIRE(counts.multiply_adds == 64 * (9 * 32 + 288 * 64) + 16 * (576 * 64 + 576 * 128) + 1280);
}

} // namespace intaglio::models
