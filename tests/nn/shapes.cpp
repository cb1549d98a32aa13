// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/shapes.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {
namespace {

/// input(h, w, c) -> op
network one_node(const extents& image, const operation& op) {
    network net;
    net.nodes.push_back({op::input{image[0], image[1], image[2]}, {}, "input"});
    net.nodes.push_back({op, {0}, "it"});
    net.outputs = {{1, 1}};
    return net;
}

extents shape_of(const extents& image, const operation& op) {
    network net = one_node(image, op);
    net.nodes.push_back({op::flatten{}, {1}, "flat"});
    net.outputs = {{2, 1}};
    const auto shapes = infer_shapes(net, 5);
    REQUIRE(shapes[1][0] == 5);
    return {shapes[1][1], shapes[1][2], shapes[1][3]};
}

template <class Error>
bool refused(const extents& image, const operation& op, const char* words) {
    const network net = one_node(image, op);
    return mentions<Error>([&] { infer_shapes(net, 1); }, "it: " + describe(net.nodes[1].op), image.to_string(),
                           "(input)", words);
}

} // namespace

TEST_CASE("shapes that operations give", "[unit]") {
    REQUIRE(shape_of({224, 224, 3},
                     op::convolution{.in_channels = 3, .out_channels = 64, .kernel = 7, .stride = 2, .padding = 3}) ==
            extents{112, 112, 64});
    REQUIRE(shape_of({6, 11, 4},
                     op::convolution{
                         .in_channels = 4, .out_channels = 5, .kernel = {1, 7}, .stride = {1, 2}, .padding = {0, 3}}) ==
            extents{6, 6, 5});
    REQUIRE(shape_of({1, 1, 7}, op::linear{.in_features = 7, .out_features = 3}) == extents{1, 1, 3});
    REQUIRE(shape_of({4, 3, 2}, op::batch_norm{.channels = 2}) == extents{4, 3, 2});
    REQUIRE(shape_of({4, 3, 2}, op::relu{}) == extents{4, 3, 2});
    REQUIRE(shape_of({4, 3, 2}, op::concatenate{}) == extents{4, 3, 2}); // one input is a copy
    REQUIRE(shape_of({112, 112, 64}, op::max_pool{.kernel = 3, .stride = 2, .padding = 1}) == extents{56, 56, 64});
    REQUIRE(shape_of({7, 8, 3}, op::average_pool{.kernel = 3, .stride = 2, .ceil_mode = true}) == extents{3, 4, 3});
    REQUIRE(shape_of({13, 8, 3}, op::adaptive_average_pool{6}) == extents{6, 6, 3});
    REQUIRE(shape_of({3, 5, 12}, op::local_response_norm{}) == extents{3, 5, 12});
    REQUIRE(shape_of({3, 5, 12}, op::dropout{}) == extents{3, 5, 12});
    REQUIRE(shape_of({3, 5, 12}, op::flatten{}) == extents{1, 1, 180});
    REQUIRE(shape_of({7, 8, 16}, op::padded_shortcut{.stride = 2, .zeros_before = 8, .zeros_behind = 8}) ==
            extents{4, 4, 32});
}

TEST_CASE("two inputs", "[unit]") {
    network net = one_node({2, 3, 4}, op::flatten{});
    net.nodes[1] = {op::concatenate{}, {0, 0, 0}, "it"};
    net.nodes.push_back({op::adaptive_average_pool{1}, {1}, "mean"});
    net.outputs = {{2, 1}};
    REQUIRE(infer_shapes(net, 2)[1] == extents{2, 2, 3, 12});
    net.nodes[1] = {op::add{}, {0, 0}, "it"};
    REQUIRE(infer_shapes(net, 2)[1] == extents{2, 2, 3, 4});
    REQUIRE(infer_shapes(net, extents{1, 9, 9, 4})[1] == extents{1, 9, 9, 4}); // images of another size
}

TEST_CASE("what does not fit is refused with the node, its input and the remedy", "[unit]") {
    REQUIRE(
        refused<shape_error>({4, 4, 3}, op::convolution{.in_channels = 64, .out_channels = 8}, "takes 64 channels"));
    REQUIRE(
        refused<shape_error>({4, 4, 3}, op::convolution{.in_channels = 3, .out_channels = 8, .kernel = 5}, "kernel"));
    REQUIRE(
        refused<shape_error>({4, 4, 3}, op::convolution{.in_channels = 3, .out_channels = 8, .stride = 0}, "stride"));
    REQUIRE(
        refused<shape_error>({4, 4, 3}, op::convolution{.in_channels = 3, .out_channels = 8, .groups = 2}, "groups"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::linear{.in_features = 3, .out_features = 8}, "flatten"));
    REQUIRE(refused<shape_error>({1, 1, 3}, op::linear{.in_features = 4, .out_features = 8}, "takes 4 features"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::batch_norm{.channels = 4}, "takes 4 channels"));
    REQUIRE(refused<value_error>({4, 4, 3}, op::batch_norm{.channels = 3, .epsilon = 0}, "epsilon"));
    REQUIRE(refused<value_error>(
        {4, 4, 3}, op::batch_norm{.channels = 3, .epsilon = std::numeric_limits<double>::quiet_NaN()}, "epsilon"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::max_pool{.kernel = 5, .stride = 1}, "larger"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::max_pool{.kernel = 2, .stride = 0}, "stride"));
    REQUIRE(
        refused<shape_error>({4, 4, 3}, op::average_pool{.kernel = 3, .stride = 1, .padding = 2}, "half the kernel"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::adaptive_average_pool{0}, "size"));
    REQUIRE(refused<value_error>({4, 4, 3}, op::local_response_norm{.size = 0}, "channel"));
    REQUIRE(refused<value_error>({4, 4, 3}, op::dropout{1}, "probability"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::padded_shortcut{.zeros_before = -1}, "negative"));
    REQUIRE(refused<value_error>({4, 4, 3}, op::add{}, "two inputs"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::input{4, 4, 3}, "not the first node"));
    REQUIRE(refused<shape_error>({4, 4, 3}, op::convolution{.in_channels = 3, .out_channels = dim_t{1} << 40}, "2^30"));
}

TEST_CASE("a network is checked as a whole", "[unit]") {
    const network good = one_node({3, 3, 2}, op::flatten{});
    REQUIRE_NOTHROW(infer_shapes(good, 1));
    REQUIRE_NOTHROW(infer_shapes(good, dim_t{0}));
    const auto refused_as = [](const network& net, const char* words) {
        return mentions<value_error>([&] { infer_shapes(net, 1); }, words);
    };
    network net = good;
    REQUIRE(refused_as({}, "not the input"));
    net.nodes[0].op = op::relu{};
    REQUIRE(refused_as(net, "not the input"));
    net = good;
    net.nodes[1].inputs = {1}; // itself
    REQUIRE(refused_as(net, "reads node 1"));
    net = good;
    net.nodes[1].name = "input";
    REQUIRE(refused_as(net, "'input'"));
    net = good;
    net.outputs = {};
    REQUIRE(refused_as(net, "no output"));
    net.outputs = {{2, 1}};
    REQUIRE(refused_as(net, "node 2 of 2"));
    net.outputs = {{0, 1}};
    REQUIRE(mentions<shape_error>([&] { infer_shapes(net, 1); }, "logits", "1 x 3 x 3 x 2"));
    REQUIRE(mentions<shape_error>([&] { infer_shapes(good, extents{1, 3, 3, 4}); }, "2 channels", "1 x 3 x 3 x 4"));
    REQUIRE(mentions<shape_error>([&] { infer_shapes(good, extents{3, 3, 2}); }, "batch"));
    REQUIRE(mentions<shape_error>([&] { infer_shapes(good, dim_t{-1}); }, "-1"));
}

} // namespace intaglio::nn
