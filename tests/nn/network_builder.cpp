// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/network_builder.hpp"

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {

TEST_CASE("what is left out is taken from the input", "[unit]") {
    network_builder net;
    auto x = net.input(9, 8, 3);
    x = net.convolution("conv", x, {.out_channels = 4, .kernel = 2});
    x = net.batch_norm("norm", x);
    x = net.max_pool(x, {.kernel = {2, 3}});
    REQUIRE(net.shape(x) == extents{1, 4, 2, 4});
    const network built = net.finish(net.linear("fc", net.flatten(x), {.out_features = 2}));
    REQUIRE(std::get<op::convolution>(built.nodes[1].op).in_channels == 3);
    REQUIRE(std::get<op::batch_norm>(built.nodes[2].op).channels == 4);
    REQUIRE(std::get<op::max_pool>(built.nodes[3].op).stride == size2d(2, 3));
    REQUIRE(std::get<op::linear>(built.nodes[5].op).in_features == 32);
}

TEST_CASE("nodes without a name are called after their operation, beside their input", "[unit]") {
    network_builder net;
    const auto x = net.input(2, 2, 3), conv = net.convolution("layer1.0.conv1", x, {.out_channels = 3});
    net.relu(conv);
    net.relu(conv);
    net.relu(x);
    const auto sum = net.add(conv, x);
    const network built = net.finish(net.global_average_pool(sum));
    std::vector<std::string> names;
    for (const node& n : built.nodes) names.push_back(n.name);
    REQUIRE(names == std::vector<std::string>{"input", "layer1.0.conv1", "layer1.0.relu", "layer1.0.relu_2", "relu",
                                              "layer1.0.add", "layer1.0.global_average_pool"});
}

TEST_CASE("a node that does not fit is refused and leaves the builder as it was", "[unit]") {
    network_builder net;
    const auto x = net.input(4, 4, 3);
    const auto y = net.convolution("conv", x, {.out_channels = 5, .kernel = 3});
    REQUIRE(mentions<shape_error>([&] { net.add(x, y, "sum"); }, "sum: add", "1 x 4 x 4 x 3 (input)",
                                  "1 x 2 x 2 x 5 (conv)"));
    REQUIRE(mentions<value_error>([&] { net.relu(y, "conv"); }, "conv", "name"));
    REQUIRE(mentions<value_error>([&] { net.input(4, 4, 3, "again"); }, "again", "one input"));
    REQUIRE_NOTHROW(net.relu(y, "sum"));
    REQUIRE(mentions<shape_error>([&] { net.finish(y); }, "conv", "logits", "1 x 2 x 2 x 5"));
    REQUIRE(net.finish(net.global_average_pool(y)).nodes.size() == 4);
}

} // namespace intaglio::nn
