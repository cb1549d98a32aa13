// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/googlenet.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"

namespace intaglio::models {

TEST_CASE("GoogLeNet costs what is published", "[unit]") {
    const nn::network_counts torchvision = nn::count(googlenet({.batch_norm = true, .auxiliary = false}));
    REQUIRE(nn::count(googlenet({.batch_norm = true})).parameters == 13'004'888);
    REQUIRE(torchvision.parameters == 6'624'904);
    REQUIRE(static_cast<double>(torchvision.multiply_adds) / 1e9 == Approx(1.498).margin(5e-4));
    // the form of the paper, as Caffe has it
    REQUIRE(nn::count(googlenet()).parameters == 13'378'280);
    REQUIRE(nn::count(googlenet({.auxiliary = false})).parameters == 6'998'552);
}

TEST_CASE("GoogLeNet has the sizes of its paper's table", "[unit]") {
    for (const bool batch_norm : {false, true}) {
        const nn::network net = googlenet({.batch_norm = batch_norm});
        const auto shapes = nn::infer_shapes(net, 1);
        const auto shape = [&](const char* name) { return shapes[nn::find_node(net, name)]; };
        REQUIRE(shape("maxpool1") == extents{1, 56, 56, 64});
        REQUIRE(shape("maxpool2") == extents{1, 28, 28, 192});
        REQUIRE(shape("inception3a") == extents{1, 28, 28, 256});
        REQUIRE(shape("inception3b") == extents{1, 28, 28, 480});
        REQUIRE(shape("inception4a") == extents{1, 14, 14, 512});
        REQUIRE(shape("inception4d") == extents{1, 14, 14, 528});
        REQUIRE(shape("inception4e") == extents{1, 14, 14, 832});
        REQUIRE(shape("inception5b") == extents{1, 7, 7, 1024});
        REQUIRE(shape("aux1.pool") == extents{1, 4, 4, 512});
        REQUIRE(net.outputs.size() == 3);
        REQUIRE(net.outputs[2].weight == 0.3);
        REQUIRE(googlenet({.batch_norm = batch_norm, .auxiliary = false}).outputs.size() == 1);
        REQUIRE(nn::parameter_specs(nn::evaluation_part(net)).size() ==
                nn::parameter_specs(googlenet({.batch_norm = batch_norm, .auxiliary = false})).size());
    }
}

TEST_CASE("GoogLeNet's tensors have torchvision's names and order", "[unit]") {
    const auto specs = nn::parameter_specs(googlenet({.batch_norm = true}));
    REQUIRE(specs[0].name == "conv1.conv.weight");
    REQUIRE(specs[4].name == "conv1.bn.running_var");
    REQUIRE(specs[20].name == "inception3a.branch2.0.conv.weight");
    REQUIRE(specs[specs.size() - 3].name == "aux2.fc2.bias"); // before fc
    REQUIRE(specs.back().name == "fc.bias");
}

} // namespace intaglio::models
