// SPDX-License-Identifier: Apache-2.0

// Layers and coded networks with every extent as zero in turn: both passes give maps of their shapes, without a number
// in them that was not computed.

#include "intaglio/nn/conv2d.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "intaglio/nn/batch_norm.hpp"
#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/fold.hpp"
#include "intaglio/nn/integer_network.hpp"
#include "intaglio/nn/loss.hpp"
#include "intaglio/nn/pooling.hpp"
#include "intaglio/nn/relu.hpp"
#include "intaglio/nn/sequential.hpp"
#include "support/catch.hpp"

using namespace intaglio;
using nn::feature_map;

namespace {

feature_map ones(const extents& shape) {
    feature_map map(shape);
    for (float& v : map.values()) v = 1;
    return map;
}

bool finite(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

/// Both passes of a layer on an input of ones.
void run(nn::layer& layer, const extents& in_shape, bool training = true) {
    INFO("input " << in_shape.to_string());
    const nn::pass pass{.training = training};
    const feature_map in = ones(in_shape);
    feature_map out(layer.output_shape(in_shape)), d_in(in_shape);
    layer.forward(in, out, pass);
    const feature_map d_out = ones(out.shape());
    layer.backward(in, out, d_out, &d_in, pass);
    CHECK(finite(out.values()));
    CHECK(finite(d_in.values()));
    for (const nn::parameter* p : layer.parameters()) CHECK(finite(p->gradient.span()));
}

template <class Numerics>
void run_products() {
    for (const intaglio::dim_t in_channels : {0, 3})
        for (const intaglio::dim_t out_channels : {0, 4})
            for (const intaglio::dim_t batch : {0, 2})
                for (const bool with_bias : {false, true}) {
                    nn::conv2d<Numerics> conv(
                        "conv", {.in_channels = in_channels, .out_channels = out_channels, .kernel = 3, .padding = 2},
                        with_bias);
                    for (const intaglio::dim_t height : {0, 5})
                        for (const intaglio::dim_t width : {0, 6}) run(conv, {batch, height, width, in_channels});
                    nn::linear<Numerics> linear("linear", in_channels, out_channels);
                    run(linear, {batch, 1, 1, in_channels});
                }
}

} // namespace

TEST_CASE("layers that multiply take extents of zero", "[unit]") {
    run_products<nn::fp32_numerics>();
    run_products<nn::dfp16_numerics>();
}

TEST_CASE("layers that don't multiply take extents of zero", "[unit]") {
    for (const intaglio::dim_t batch : {0, 2})
        for (const intaglio::dim_t channels : {0, 3}) {
            const extents shape{batch, 4, 4, channels};
            nn::relu rectify;
            nn::max_pool maxima(2);
            nn::global_average_pool averages;
            nn::residual block;
            block.body().add<nn::relu>();
            run(rectify, shape);
            run(maxima, shape);
            run(averages, shape);
            run(block, shape);
            nn::batch_norm norm("norm", channels);
            if (batch > 0)
                run(norm, shape);
            else
                CHECK_THROWS_AS(run(norm, shape), value_error); // statistics of nothing
        }
    nn::relu rectify;
    for (const extents& shape : {extents{1, 0, 4, 3}, extents{1, 4, 0, 3}}) {
        run(rectify, shape);
        CHECK_THROWS_AS(nn::max_pool(2).output_shape(shape), shape_error);
        CHECK_THROWS_AS(nn::global_average_pool().output_shape(shape), shape_error);
    }
}

TEST_CASE("the loss of no images is zero", "[unit]") {
    feature_map d_logits;
    for (const intaglio::dim_t classes : {0, 10}) {
        const nn::batch_result result = nn::softmax_cross_entropy(feature_map({0, 1, 1, classes}), {}, &d_logits);
        CHECK(result.loss == 0);
        CHECK(result.correct == 0);
        CHECK(d_logits.shape() == extents{0, 1, 1, classes});
    }
    const std::uint8_t label[] = {0};
    CHECK_THROWS_AS(nn::softmax_cross_entropy(feature_map({1, 1, 1, 0}), label, nullptr), value_error);
}

TEST_CASE("a coded network runs without images and without channels", "[unit]") {
    for (const intaglio::dim_t in_channels : {0, 2})
        for (const intaglio::dim_t channels : {0, 5})
            for (const intaglio::dim_t classes : {0, 3}) {
                nn::sequential network;
                network.add<nn::conv2d<nn::fp32_numerics>>(
                    "conv",
                    nn::conv2d_shape{.in_channels = in_channels, .out_channels = channels, .kernel = 3, .padding = 1});
                network.add<nn::batch_norm>("norm", channels);
                network.add<nn::relu>();
                network.add<nn::max_pool>(2);
                network.add<nn::global_average_pool>();
                network.add<nn::linear<nn::fp32_numerics>>("linear", channels, classes);
                for (const auto kind : {nn::weight_coding::family::int8, nn::weight_coding::family::greedy,
                                        nn::weight_coding::family::locked}) {
                    const nn::weight_coding coding{kind, kind == nn::weight_coding::family::int8 ? 1 : 2};
                    const nn::integer_network integer(nn::encode(nn::fold(network), {&coding, 1}, 1));
                    nn::integer_network::workspace memory;
                    for (const intaglio::dim_t batch : {0, 2}) {
                        const feature_map logits = integer.run(ones({batch, 4, 4, in_channels}), 1, memory);
                        CHECK(logits.shape() == extents{batch, 1, 1, classes});
                        CHECK(finite(logits.values()));
                    }
                }
            }
}
