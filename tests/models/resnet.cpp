// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/resnet.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::models {

TEST_CASE("residual networks cost what is published", "[unit]") {
    const struct {
        int depth;
        dim_t parameters;
        double giga_macs;
    } published[] = {{18, 11'689'512, 1.814},
                     {34, 21'797'672, 3.664},
                     {50, 25'557'032, 4.089},
                     {101, 44'549'160, 7.801},
                     {152, 60'192'808, 11.514}};
    for (const auto& p : published) {
        const nn::network_counts counts = nn::count(resnet(p.depth));
        REQUIRE(counts.parameters == p.parameters);
        REQUIRE(static_cast<double>(counts.multiply_adds) / 1e9 == Approx(p.giga_macs).margin(5e-4));
        REQUIRE(nn::count(resnet(p.depth, {.stride_in_first = true})).parameters == p.parameters);
    }
    REQUIRE(nn::count(resnet(50)).multiply_adds == 4'089'184'256);
    const nn::network_counts version1 = nn::count(resnet(50, {.stride_in_first = true}));
    REQUIRE(static_cast<double>(version1.multiply_adds) / 1e9 ==
            Approx(3.858).margin(5e-4)); // "3.8 billion" in the paper
}

TEST_CASE("ResNet-50, tensor by tensor", "[unit]") {
    const nn::network net = resnet(50, {.epsilon = 1e-3});
    const auto specs = nn::parameter_specs(net);
    REQUIRE(specs.size() == 53 + 4 * 53 + 2);
    REQUIRE(specs[5].name == "layer1.0.conv1.weight");
    REQUIRE(specs[20].name == "layer1.0.downsample.0.weight");
    REQUIRE(specs[20].shape == extents{256, 1, 1, 64});
    REQUIRE(specs.back().name == "fc.bias");
    REQUIRE(std::get<nn::op::batch_norm>(net.nodes[2].op).epsilon == 1e-3);
    const auto stride = [](const nn::network& n, const char* name) {
        return std::get<nn::op::convolution>(n.nodes[nn::find_node(n, name)].op).stride.h;
    };
    REQUIRE(stride(net, "layer2.0.conv1") == 1);
    REQUIRE(stride(net, "layer2.0.conv2") == 2);
    REQUIRE(stride(resnet(50, {.stride_in_first = true}), "layer2.0.conv1") == 2);
    REQUIRE(stride(resnet(50, {.stride_in_first = true}), "layer2.0.conv2") == 1);
    REQUIRE(stride(net, "layer3.0.downsample.0") == 2);
}

TEST_CASE("a residual network of another depth is refused", "[unit]") {
    REQUIRE(mentions<value_error>([] { resnet(51); }, "51", "50"));
}

} // namespace intaglio::models
