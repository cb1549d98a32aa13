// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/cifar_resnet.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::models {

TEST_CASE("residual networks for CIFAR cost what is published", "[unit]") {
    REQUIRE(nn::count(cifar_resnet(20)).parameters == 269'722);
    REQUIRE(nn::count(cifar_resnet(32)).parameters == 464'154);
    REQUIRE(nn::count(cifar_resnet(44)).parameters == 658'586);
    REQUIRE(nn::count(cifar_resnet(56)).parameters == 853'018);
    REQUIRE(nn::count(cifar_resnet(110)).parameters == 1'727'962);
    REQUIRE(nn::count(cifar_resnet(20)).multiply_adds == 40'551'040);
    // two projections: 16 -> 32 and 32 -> 64 channels with their norms
    REQUIRE(nn::count(cifar_resnet(20, {.projections = true})).parameters == 269'722 + 512 + 64 + 2048 + 128);
}

TEST_CASE("the shortcuts of a residual network for CIFAR", "[unit]") {
    const nn::network net = cifar_resnet(20);
    const nn::node& shortcut = net.nodes[nn::find_node(net, "layer2.0.shortcut")];
    REQUIRE(shortcut.op == nn::operation(nn::op::padded_shortcut{.stride = 2, .zeros_before = 8, .zeros_behind = 8}));
    REQUIRE(nn::infer_shapes(net, 1)[nn::find_node(net, "avgpool")] == extents{1, 1, 1, 64});
    REQUIRE_THROWS_AS(nn::find_node(net, "layer1.0.shortcut"), value_error);
    REQUIRE_NOTHROW(nn::find_node(cifar_resnet(20, {.projections = true}), "layer3.0.shortcut.1"));
}

TEST_CASE("a residual network for CIFAR of another depth is refused", "[unit]") {
    for (const int depth : {-4, 2, 18, 21}) REQUIRE(mentions<value_error>([=] { cifar_resnet(depth); }, join(depth)));
}

} // namespace intaglio::models
