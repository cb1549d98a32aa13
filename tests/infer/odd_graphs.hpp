// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small networks with every turn that a graph can take, for tests of integer inference.

#include <string>
#include <utility>
#include <vector>

#include "intaglio/nn/network_builder.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio {

/// Weights that keep activations about the size of their inputs, and norms that do something.
inline nn::parameters random_parameters(const nn::network& net, std::uint64_t seed = 3) {
    nn::parameters p(net);
    for (std::size_t i = 0; i < p.count(); ++i) {
        const nn::parameter_spec& spec = p.spec(i);
        const bool norm = std::holds_alternative<nn::op::batch_norm>(net.nodes[spec.node].op);
        const dim_t fan =
            spec.role == nn::parameter_role::weight && !norm && p[i].shape()[0] > 0 ? p[i].size() / p[i].shape()[0] : 1;
        for (dim_t k = 0; k < p[i].size(); ++k) {
            const float u = 2 * random_uniform(seed, i, static_cast<std::uint64_t>(k)) - 1;
            switch (spec.role) {
            case nn::parameter_role::weight:
                p[i][k] = norm ? 1 + 0.5F * u : u * 2.4F / std::sqrt(static_cast<float>(fan));
                break;
            case nn::parameter_role::running_variance:
                p[i][k] = 1 + 0.5F * u;
                break;
            default:
                p[i][k] = 0.3F * u;
            }
        }
    }
    return p;
}

inline tensor<float> random_images(const extents& shape, std::uint64_t seed = 5) {
    tensor<float> images(shape);
    for (dim_t i = 0; i < images.size(); ++i)
        images[i] = 2 * random_uniform(seed, 0, static_cast<std::uint64_t>(i)) - 1;
    return images;
}

namespace odd {

using nn::network;
using nn::network_builder;

/// Both kinds of residual block, the shortcut a convolution or without parameters, sizes that are odd, a dropout.
inline network residual() {
    network_builder b;
    auto x = b.input(11, 9, 3);
    x = b.relu(
        b.batch_norm("bn1", b.convolution("conv1", x, {.out_channels = 12, .kernel = 3, .padding = 1, .bias = false})));
    auto y = b.relu(b.batch_norm("a.bn1", b.convolution("a.conv1", x, {.out_channels = 8, .bias = false})));
    y = b.batch_norm(
        "a.bn2",
        b.convolution("a.conv2", y, {.out_channels = 20, .kernel = 3, .stride = 2, .padding = 1, .bias = false}));
    const auto s = b.batch_norm("a.bn3", b.convolution("a.down", x, {.out_channels = 20, .stride = 2, .bias = false}));
    x = b.relu(b.add(y, s));
    y = b.batch_norm("b.bn",
                     b.convolution("b.conv", x, {.out_channels = 20, .kernel = 3, .padding = 1, .bias = false}));
    x = b.relu(b.add(x, y));
    y = b.batch_norm("c.bn", b.convolution("c.conv", x, {.out_channels = 26, .kernel = 3, .stride = 2, .padding = 1}));
    x = b.relu(b.add(b.padded_shortcut(x, {.stride = 2, .zeros_before = 2, .zeros_behind = 4}), y));
    x = b.dropout(b.flatten(b.global_average_pool(x)), 0.5);
    return b.finish(b.linear("fc", x, {.out_features = 7}));
}

/// Branches that are concatenated, one of them a pool, one of rectangular kernels, one of them twice; a response norm;
/// ceil mode; no batch norm but one; an auxiliary classifier; the answer is an average.
inline network branches() {
    network_builder b;
    auto x = b.input(13, 10, 4);
    x = b.relu(b.convolution("conv1", x, {.out_channels = 9, .kernel = 3, .stride = 2}));
    x = b.local_response_norm(x, {.size = 5, .alpha = 0.1});
    const auto one = b.relu(b.convolution("one", x, {.out_channels = 5}));
    auto wide = b.relu(b.convolution("wide1", x, {.out_channels = 6, .kernel = {1, 3}, .padding = {0, 1}}));
    wide = b.relu(b.batch_norm(
        "norm", b.convolution("wide2", wide, {.out_channels = 7, .kernel = {3, 1}, .padding = {1, 0}, .bias = false})));
    auto pool = b.max_pool(x, {.kernel = 3, .stride = 1, .padding = 1});
    const auto mean = b.average_pool(x, {.kernel = 3, .stride = 1, .padding = 1, .count_include_pad = false});
    pool = b.relu(b.convolution("pool_proj", pool, {.out_channels = 3}));
    x = b.concatenate({one, wide, pool, mean, one});
    b.auxiliary_output(b.linear("aux", b.global_average_pool(x), {.out_features = 5}), 0.3);
    x = b.max_pool(x, {.kernel = 3, .stride = 2, .ceil_mode = true});
    const auto left = b.relu(b.convolution("left", x, {.out_channels = 8, .kernel = 3, .padding = 1, .groups = 1}));
    const auto inner = b.concatenate({left, b.convolution("right", x, {.out_channels = 4})});
    x = b.concatenate({inner, b.max_pool(x, {.kernel = 3, .stride = 1, .padding = 1})});
    x = b.relu(b.convolution("classes", x, {.out_channels = 5}));
    return b.finish(b.flatten(b.global_average_pool(x)));
}

/// Grouped and depthwise convolutions, dilation, strides that differ, signed activations between products, a batch norm
/// that stands alone, sums of stored values, a flattened image, relu of what others read too.
inline network groups() {
    network_builder b;
    auto x = b.input(12, 7, 6);
    x = b.batch_norm("first", x);
    x = b.convolution("conv1", x, {.out_channels = 16, .kernel = 3, .stride = {2, 1}, .padding = 1, .groups = 2});
    const auto r = b.relu(x);
    const auto sum = b.add(x, r);
    auto y = b.relu(b.batch_norm(
        "bn",
        b.convolution("depth", sum, {.out_channels = 16, .kernel = 3, .padding = 2, .dilation = 2, .groups = 16})));
    y = b.add(y, y);
    const auto z = b.batch_norm("alone", y);
    x = b.relu(b.add(z, r));
    x = b.average_pool(x, {.kernel = 2, .stride = 2, .ceil_mode = true});
    x = b.relu(b.linear("fc1", b.flatten(x), {.out_features = 11}));
    return b.finish(b.linear("fc2", x, {.out_features = 4, .bias = false}));
}

inline std::vector<std::pair<std::string, network>> all() {
    return {{"residual", residual()}, {"branches", branches()}, {"groups", groups()}};
}

} // namespace odd
} // namespace intaglio
