// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/operations.hpp"

#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("an operation names itself and what differs from the default", "[unit]") {
    REQUIRE(describe(op::relu{}) == "relu");
    REQUIRE(describe(op::dropout{}) == "dropout");
    REQUIRE(describe(op::dropout{0.2}) == "dropout(probability=0.2)");
    REQUIRE(describe(op::convolution{.in_channels = 3, .out_channels = 64, .kernel = {1, 7}, .bias = false}) ==
            "convolution(in_channels=3, out_channels=64, kernel=1x7, bias=false)");
    REQUIRE(describe(operation(op::batch_norm{.channels = 8, .epsilon = 1e-3})) ==
            "batch_norm(channels=8, epsilon=0.001)");
    REQUIRE(describe(op::softmax_cross_entropy{0.1}) == "softmax_cross_entropy(label_smoothing=0.1)");
    REQUIRE(kind_of(operation(op::add{})) == "add");
}

TEST_CASE("operations are values", "[unit]") {
    const operation a = op::max_pool{.kernel = 3, .stride = 2};
    operation b = a;
    REQUIRE(a == b);
    std::get<op::max_pool>(b).stride = {2, 1};
    REQUIRE_FALSE(a == b);
    REQUIRE_FALSE(operation(op::relu{}) == operation(op::add{}));
    REQUIRE(size2d(3) == size2d(3, 3));
    REQUIRE(size2d(3, 1).to_string() == "3x1");
}

} // namespace intaglio::nn
