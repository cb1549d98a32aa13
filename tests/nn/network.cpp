// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/network.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {
namespace {

/// Two classifiers, one of them auxiliary, and a branch that nobody reads.
network two_heads() {
    network_builder net;
    const auto x = net.input(4, 4, 2, "images");
    const auto trunk = net.relu(net.convolution("trunk", x, {.out_channels = 3}));
    net.auxiliary_output(net.linear("aux", net.flatten(trunk, "aux_flatten"), {.out_features = 5}), 0.3);
    net.max_pool(trunk, {.kernel = 2}, "unread");
    const auto pooled = net.flatten(net.global_average_pool(trunk));
    return net.finish(net.linear("fc", net.dropout(pooled, 0.4), {.out_features = 5}), {0.1});
}

} // namespace

TEST_CASE("nodes are found by name", "[unit]") {
    const network net = two_heads();
    REQUIRE(find_node(net, "images") == 0);
    REQUIRE(net.nodes[find_node(net, "fc")].name == "fc");
    REQUIRE(mentions<value_error>([&] { find_node(net, "fc2"); }, "fc2"));
}

TEST_CASE("readers of a node", "[unit]") {
    const network net = two_heads();
    const auto lists = readers(net);
    const std::size_t relu = find_node(net, "relu");
    REQUIRE(lists[relu] == std::vector<std::size_t>{find_node(net, "aux_flatten"), find_node(net, "unread"),
                                                    find_node(net, "global_average_pool")});
    REQUIRE(lists[find_node(net, "fc")].empty());

    network_builder twice;
    const auto x = twice.input(1, 1, 4);
    REQUIRE(readers(twice.finish(twice.add(x, x)))[0] == std::vector<std::size_t>{1, 1});
}

TEST_CASE("what answers is the first output and what it needs", "[unit]") {
    const network net = two_heads(), part = evaluation_part(net);
    std::vector<std::string> names;
    for (const node& n : part.nodes) names.push_back(n.name);
    REQUIRE(names == std::vector<std::string>{"images", "trunk", "relu", "global_average_pool", "flatten", "fc"});
    REQUIRE(part.outputs == std::vector<network_output>{{5, 1}});
    REQUIRE(part.loss == net.loss);
    REQUIRE(part.nodes[5].inputs == std::vector<std::size_t>{4}); // past the dropout
    REQUIRE(infer_shapes(part, 2).back() == extents{2, 1, 1, 5});
    REQUIRE(evaluation_part(part) == part);
}

TEST_CASE("networks are values", "[unit]") {
    const network a = two_heads();
    network b = a;
    REQUIRE(a == b);
    b.nodes[1].name = "stem";
    REQUIRE_FALSE(a == b);
    b = a;
    b.outputs[1].weight = 1;
    REQUIRE_FALSE(a == b);
}

} // namespace intaglio::nn
