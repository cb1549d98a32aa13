// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoogLeNet, or Inception version 1 (Szegedy et al., CVPR 2015): nine modules of four branches, and two auxiliary
// classifiers whose losses count 0.3 each in training.
//
//   conv1 7x7/2 64 - max pool - conv2 1x1 64 - conv3 3x3 192 - max pool
//   3a 3b - max pool - 4a 4b 4c 4d 4e - max pool - 5a 5b - average - dropout - fc
//
//   module:  1x1 | 1x1, 3x3 | 1x1, 5x5 | max pool 3x3/1, 1x1      then the channels of all four
//
// Two forms: as published (biases, no batch norm, response norm beside the first two pools), and torchvision's (batch
// norm with epsilon 0.001 instead; its third branch is 3x3, its last pool 2x2). Parameters are called as in
// torchvision; the published form has a ".conv.bias" where that has a ".bn".

#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct googlenet_options {
    dim_t classes = 1000;
    dim_t image = 224;       ///< pixels each way
    bool batch_norm = false; ///< torchvision's form, otherwise as published
    bool auxiliary = true;   ///< with the two classifiers on the way
};

namespace detail {

/// The pieces of the network, in one of its forms.
struct googlenet_parts {
    using value = nn::network_builder::value;
    nn::network_builder& net;
    const googlenet_options& options;

    /// A convolution with its ReLU, padded to keep the size where it has no stride.
    value conv(const std::string& name, value x, dim_t channels, dim_t kernel, dim_t stride = 1) const {
        x = net.convolution(name + ".conv", x,
                            {.out_channels = channels,
                             .kernel = kernel,
                             .stride = stride,
                             .padding = kernel / 2,
                             .bias = !options.batch_norm});
        if (options.batch_norm) x = net.batch_norm(name + ".bn", x, {.epsilon = 1e-3});
        return net.relu(x);
    }
    value norm(value x) const { return options.batch_norm ? x : net.local_response_norm(x, {}); }

    /// Channels of: 1x1 | 1x1, 3x3 | 1x1, 5x5 | 1x1 behind the pool.
    value inception(const std::string& name, value x, dim_t b1, dim_t b2, dim_t b2_out, dim_t b3, dim_t b3_out,
                    dim_t b4) const {
        const value one = conv(name + ".branch1", x, b1, 1);
        const value two = conv(name + ".branch2.1", conv(name + ".branch2.0", x, b2, 1), b2_out, 3);
        const value three =
            conv(name + ".branch3.1", conv(name + ".branch3.0", x, b3, 1), b3_out, options.batch_norm ? 3 : 5);
        const value pool = net.max_pool(x, {.kernel = 3, .stride = 1, .padding = 1}, name + ".branch4.0");
        const value four = conv(name + ".branch4.1", pool, b4, 1);
        return net.concatenate({one, two, three, four}, name);
    }

    void auxiliary(const std::string& name, value x) const {
        x = options.batch_norm ? net.adaptive_average_pool(x, 4, name + ".pool")
                               : net.average_pool(x, {.kernel = 5, .stride = 3}, name + ".pool");
        x = net.flatten(conv(name + ".conv", x, 128, 1));
        x = net.dropout(net.relu(net.linear(name + ".fc1", x, {.out_features = 1024})), 0.7);
        net.auxiliary_output(net.linear(name + ".fc2", x, {.out_features = options.classes}), 0.3);
    }
};

} // namespace detail

inline nn::network googlenet(const googlenet_options& options = {}) {
    nn::network_builder net;
    const detail::googlenet_parts parts{net, options};
    const nn::op::max_pool pool{.kernel = 3, .stride = 2, .ceil_mode = true};
    nn::op::max_pool last_pool = pool;
    if (options.batch_norm) last_pool.kernel = 2;

    auto x = parts.conv("conv1", net.input(options.image, options.image, 3), 64, 7, 2);
    x = parts.norm(net.max_pool(x, pool, "maxpool1"));
    x = parts.conv("conv3", parts.conv("conv2", x, 64, 1), 192, 3);
    x = net.max_pool(parts.norm(x), pool, "maxpool2");
    x = parts.inception("inception3a", x, 64, 96, 128, 16, 32, 32);
    x = parts.inception("inception3b", x, 128, 128, 192, 32, 96, 64);
    x = net.max_pool(x, pool, "maxpool3");
    x = parts.inception("inception4a", x, 192, 96, 208, 16, 48, 64);
    const auto first_auxiliary = x;
    x = parts.inception("inception4b", x, 160, 112, 224, 24, 64, 64);
    x = parts.inception("inception4c", x, 128, 128, 256, 24, 64, 64);
    x = parts.inception("inception4d", x, 112, 144, 288, 32, 64, 64);
    const auto second_auxiliary = x;
    x = parts.inception("inception4e", x, 256, 160, 320, 32, 128, 128);
    x = net.max_pool(x, last_pool, "maxpool4");
    x = parts.inception("inception5a", x, 256, 160, 320, 32, 128, 128);
    x = parts.inception("inception5b", x, 384, 192, 384, 48, 128, 128);
    if (options.auxiliary) {
        parts.auxiliary("aux1", first_auxiliary);
        parts.auxiliary("aux2", second_auxiliary);
    }
    x = net.flatten(net.global_average_pool(x, "avgpool"));
    x = net.dropout(x, options.batch_norm ? 0.2 : 0.4);
    return net.finish(net.linear("fc", x, {.out_features = options.classes}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
