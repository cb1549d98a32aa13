// SPDX-License-Identifier: Apache-2.0

// Training plans of networks with every extent as zero in turn.

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/train/plan.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::train {
namespace {

nn::network network(dim_t in, dim_t channels, dim_t features, dim_t classes) {
    nn::network_builder b;
    const auto x = b.input(6, 6, in);
    auto y = b.convolution("conv", x, {.in_channels = in, .out_channels = channels, .kernel = 3, .padding = 1});
    y = b.relu(b.batch_norm("norm", y));
    y = b.concatenate({y, b.max_pool(x, {.kernel = 3, .stride = 1, .padding = 1})});
    y = b.local_response_norm(b.average_pool(y, {.kernel = 2}), {});
    y = b.dropout(b.flatten(b.global_average_pool(y)), 0.5);
    y = b.relu(b.linear("hidden", y, {.out_features = features}));
    return b.finish(b.linear("fc", y, {.in_features = features, .out_features = classes}));
}

bool finite(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

} // namespace

TEMPLATE_TEST_CASE("plans of networks without channels train", "[unit]", float, std::int16_t) {
    for (const dim_t in : {0, 3})
        for (const dim_t channels : {0, 5})
            for (const dim_t features : {0, 4})
                for (const dim_t classes : {0, 2}) {
                    CAPTURE(in, channels, features, classes);
                    const nn::network net = network(in, channels, features, classes);
                    nn::parameters weights;
                    nn::he_initialize(net, weights, 1);
                    plan<TestType> training(net, nn::image_shape(net, 2), weights);
                    const std::vector<float> images(static_cast<std::size_t>(training.images().size()), 0.5F);
                    training.forward(images, true);
                    CHECK(finite(training.logits()));
                    if (classes == 0) {
                        CHECK_THROWS_AS(training.loss(std::vector<std::int32_t>{0, 0}), value_error);
                        continue;
                    }
                    CHECK(std::isfinite(training.gradients_of(images, std::vector<std::int32_t>{1, 0}).loss));
                    for (const tensor<float>& gradient : training.gradients()) CHECK(finite(gradient.span()));
                    for (std::size_t i = 0; i < weights.count(); ++i) CHECK(finite(weights[i].span()));
                }
}

TEMPLATE_TEST_CASE("a plan for no images is refused", "[unit]", float, std::int16_t) {
    const nn::network net = network(3, 4, 5, 2);
    nn::parameters weights(net);
    REQUIRE(mentions<shape_error>([&] { plan<TestType>(net, nn::image_shape(net, 0), weights); }, "batch", "0 images"));
}

} // namespace intaglio::train
