// SPDX-License-Identifier: Apache-2.0

// Coded networks and training plans with every extent as zero in turn: shapes come out, without a number in them that
// was not computed, or what can't be is told.

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/integer_network.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

nn::folded_conv layer(const char* name, const nn::conv2d_shape& shape, std::optional<float> range) {
    const auto channels = static_cast<std::size_t>(shape.out_channels);
    tensor<float> weights({shape.out_channels, shape.kernel, shape.kernel, shape.in_channels});
    for (float& w : weights) w = 1;
    return {name, shape, weights, std::vector<float>(channels, 0.5f), std::vector<float>(channels, 1), range};
}

} // namespace

TEST_CASE("a coded network runs without images and without channels", "[unit]") {
    for (const intaglio::dim_t in_channels : {0, 2})
        for (const intaglio::dim_t channels : {0, 5})
            for (const intaglio::dim_t classes : {0, 3}) {
                nn::folded_network network;
                network.stages.emplace_back(layer(
                    "conv", {.in_channels = in_channels, .out_channels = channels, .kernel = 3, .padding = 1}, 6.0f));
                network.stages.emplace_back(nn::max_pool_stage{2, 2});
                network.stages.emplace_back(nn::average_pool_stage{});
                network.stages.emplace_back(
                    layer("linear", {.in_channels = channels, .out_channels = classes}, std::nullopt));
                for (const auto kind : {nn::weight_coding::family::int8, nn::weight_coding::family::greedy,
                                        nn::weight_coding::family::locked}) {
                    const nn::weight_coding coding{kind, kind == nn::weight_coding::family::int8 ? 1 : 2};
                    const nn::integer_network integer(nn::encode(network, {&coding, 1}, 1));
                    nn::integer_network::workspace memory;
                    for (const intaglio::dim_t batch : {0, 2}) {
                        const tensor<float> images({batch, 4, 4, in_channels});
                        const tensor<float> logits = integer.run(images, 1, memory);
                        CHECK(logits.shape() == extents{batch, 1, 1, classes});
                        CHECK(std::all_of(logits.begin(), logits.end(), [](float v) { return std::isfinite(v); }));
                    }
                }
            }
}

TEST_CASE("stages of images without pixels are refused", "[unit]") {
    for (const extents& shape : {extents{1, 0, 4, 3}, extents{1, 4, 0, 3}}) {
        CHECK_THROWS_AS((nn::max_pool_stage{2, 2}.output_shape(shape)), shape_error);
        CHECK_THROWS_AS(nn::average_pool_stage{}.output_shape(shape), shape_error);
    }
    CHECK_THROWS_AS((nn::max_pool_stage{2, 0}.output_shape({1, 4, 4, 3})), value_error);
}
