// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/parameters.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {
namespace {

network small() {
    network_builder net;
    auto x = net.input(4, 4, 6);
    x = net.convolution("conv1", x, {.out_channels = 4, .kernel = {3, 1}, .groups = 2, .bias = false});
    x = net.batch_norm("layer1.0.bn1", x);
    x = net.batch_norm("fixed", x, {.frozen = true});
    return net.finish(net.linear("fc", net.flatten(x), {.out_features = 3}));
}

} // namespace

TEST_CASE("parameters have the names, the order and the shapes of a state dict", "[unit]") {
    const auto specs = parameter_specs(small());
    std::vector<std::string> names, trained, decaying;
    for (const parameter_spec& s : specs) {
        names.push_back(s.name);
        if (s.trained) trained.push_back(s.name);
        if (s.decays) decaying.push_back(s.name);
    }
    REQUIRE(names == std::vector<std::string>{"conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias",
                                              "layer1.0.bn1.running_mean", "layer1.0.bn1.running_var", "fixed.weight",
                                              "fixed.bias", "fixed.running_mean", "fixed.running_var", "fc.weight",
                                              "fc.bias"});
    REQUIRE(trained == std::vector<std::string>{"conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias", "fc.weight",
                                                "fc.bias"});
    REQUIRE(decaying == std::vector<std::string>{"conv1.weight", "fc.weight"});
    REQUIRE(specs[0].shape == extents{4, 3, 1, 3});
    REQUIRE(specs[9].shape == extents{3, 2 * 4 * 4});
    REQUIRE(specs[10].shape == extents{3});
}

TEST_CASE("parameters are found by name and by node", "[unit]") {
    const network net = small();
    parameters p(net);
    REQUIRE(p.count() == 11);
    REQUIRE(p.at("conv1.weight").size() == 36);
    REQUIRE(p.at("layer1.0.bn1.weight")[3] == 1);
    REQUIRE(p.at("layer1.0.bn1.running_var")[0] == 1);
    REQUIRE(p.at("layer1.0.bn1.bias")[0] == 0);
    REQUIRE(p.at("fc.weight")[0] == 0);
    REQUIRE(mentions<value_error>([&] { p.at("fc.gamma"); }, "fc.gamma"));
    REQUIRE(p.place(find_node(net, "fc"), parameter_role::bias) == 10);
    REQUIRE(p.find(find_node(net, "fc"), parameter_role::bias) == p[10].data());
    REQUIRE(p.find(find_node(net, "conv1"), parameter_role::bias) == nullptr);
    REQUIRE(p.place(0, parameter_role::weight) == p.count());
    parameters copy = p;
    copy[10][0] = 5;
    REQUIRE(p[10][0] == 0);
}

TEST_CASE("a part of a network takes its parameters by name", "[unit]") {
    network_builder build;
    const auto x = build.input(1, 1, 2);
    build.auxiliary_output(build.linear("aux", x, {.out_features = 3}), 0.3);
    const network net = build.finish(build.linear("fc", x, {.out_features = 3})), part = evaluation_part(net);
    parameters all(net);
    all.at("fc.weight")[5] = 7;
    const parameters some = select_parameters(part, all);
    REQUIRE(some.count() == 2);
    REQUIRE(some.at("fc.weight")[5] == 7);
    REQUIRE(mentions<value_error>([&] { select_parameters(net, some); }, "aux.weight"));
    network wider = part;
    std::get<op::linear>(wider.nodes[1].op).out_features = 4;
    REQUIRE(mentions<value_error>([&] { select_parameters(wider, some); }, "fc.weight", "3 x 2", "4 x 2"));
}

} // namespace intaglio::nn
