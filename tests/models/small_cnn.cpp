// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/small_cnn.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"

namespace intaglio::models {

TEST_CASE("the small network has the parameters and multiply-adds of its table", "[unit]") {
    // 3x3 kernels, two numbers for each channel of a norm, a bias for each class
    const dim_t weights[] = {9 * 1 * 32, 9 * 32 * 32, 9 * 32 * 64, 9 * 64 * 64, 9 * 64 * 128},
                pixels[] = {28 * 28, 28 * 28, 14 * 14, 14 * 14, 7 * 7};
    dim_t parameters = 2 * (32 + 32 + 64 + 64 + 128) + 128 * 10 + 10, macs = 128 * 10;
    for (int i = 0; i < 5; ++i) {
        parameters += weights[i];
        macs += weights[i] * pixels[i];
    }
    const nn::network_counts counts = nn::count(small_cnn());
    REQUIRE(counts.parameters == parameters);
    REQUIRE(counts.parameters == 140'458);
    REQUIRE(counts.multiply_adds == macs);
}

TEST_CASE("the small network takes other images and classes", "[unit]") {
    const nn::network net = small_cnn({.classes = 7, .height = 4, .width = 5, .channels = 3});
    const auto shapes = nn::infer_shapes(net, 2);
    REQUIRE(shapes[net.outputs.front().node] == extents{2, 1, 1, 7});
    REQUIRE_THROWS_AS(small_cnn({.height = 3, .width = 3}), shape_error);
}

} // namespace intaglio::models
