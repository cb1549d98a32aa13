// SPDX-License-Identifier: Apache-2.0
#pragma once

// The residual networks of He, Zhang, Ren and Sun (CVPR 2016) for images of ImageNet's size:
//
//   conv1 7x7/2 64 - max pool 3x3/2 - four stages of 64, 128, 256, 512 channels - average - fc
//
//   blocks per stage   18  2 2 2 2    34  3 4 6 3    50  3 4 6 3    101  3 4 23 3    152  3 8 36 3
//   block              18, 34: 3x3, 3x3              50 and more: 1x1, 3x3, 1x1 with 4 times the channels
//
// A batch norm follows each convolution; no convolution has a bias. The first block of each stage but the first halves
// the image; where the shape changes the shortcut is a 1x1 convolution with batch norm. Parameters are called as in
// torchvision.

#include <array>
#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct resnet_options {
    dim_t classes = 1000;
    dim_t image = 224; ///< pixels each way
    /// Where a block of three convolutions has its stride: in the first 1x1, as published ("version 1"), or in the 3x3,
    /// as in torchvision ("version 1.5").
    bool stride_in_first = false;
    double epsilon = 1e-5; ///< of batch norm
};

/// `depth` is 18, 34, 50, 101 or 152. Throws value_error for others.
inline nn::network resnet(int depth, const resnet_options& options = {}) {
    std::array<int, 4> stages{};
    switch (depth) {
    case 18:
        stages = {2, 2, 2, 2};
        break;
    case 34:
        stages = {3, 4, 6, 3};
        break;
    case 50:
        stages = {3, 4, 6, 3};
        break;
    case 101:
        stages = {3, 4, 23, 3};
        break;
    case 152:
        stages = {3, 8, 36, 3};
        break;
    default:
        fail<value_error>("resnet: no network of ", depth, " layers; there are 18, 34, 50, 101 and 152");
    }
    const bool bottleneck = depth >= 50;
    nn::network_builder net;
    using value = nn::network_builder::value;
    const auto conv_norm = [&](const std::string& conv, const std::string& norm, value x, dim_t channels, dim_t kernel,
                               dim_t stride) {
        x = net.convolution(
            conv, x,
            {.out_channels = channels, .kernel = kernel, .stride = stride, .padding = kernel / 2, .bias = false});
        return net.batch_norm(norm, x, {.epsilon = options.epsilon});
    };
    const auto block = [&](const std::string& name, value x, dim_t width, dim_t stride) {
        const dim_t channels = bottleneck ? 4 * width : width;
        value y = x;
        if (bottleneck) {
            const dim_t first = options.stride_in_first ? stride : 1;
            y = net.relu(conv_norm(name + ".conv1", name + ".bn1", y, width, 1, first));
            y = net.relu(conv_norm(name + ".conv2", name + ".bn2", y, width, 3, stride / first));
            y = conv_norm(name + ".conv3", name + ".bn3", y, channels, 1, 1);
        } else {
            y = net.relu(conv_norm(name + ".conv1", name + ".bn1", y, width, 3, stride));
            y = conv_norm(name + ".conv2", name + ".bn2", y, width, 3, 1);
        }
        if (stride != 1 || net.shape(x)[3] != channels)
            x = conv_norm(name + ".downsample.0", name + ".downsample.1", x, channels, 1, stride);
        return net.relu(net.add(y, x, name + ".add"));
    };

    value x = net.relu(conv_norm("conv1", "bn1", net.input(options.image, options.image, 3), 64, 7, 2));
    x = net.max_pool(x, {.kernel = 3, .stride = 2, .padding = 1}, "maxpool");
    dim_t width = 64;
    for (std::size_t s = 0; s < stages.size(); ++s, width *= 2)
        for (int b = 0; b < stages[s]; ++b) x = block(join("layer", s + 1, '.', b), x, width, s > 0 && b == 0 ? 2 : 1);
    x = net.flatten(net.global_average_pool(x, "avgpool"), "flatten");
    return net.finish(net.linear("fc", x, {.out_features = options.classes}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
