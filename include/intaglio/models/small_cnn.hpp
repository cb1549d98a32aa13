// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small convolutional network for small images, such as the 28 x 28 of Fashion-MNIST:
//
//   layer                                output at 28 x 28
//   conv1 3x3,  32, norm, ReLU           28 x 28 x  32
//   conv2 3x3,  32, norm, ReLU           28 x 28 x  32
//   max pool 2 x 2                       14 x 14 x  32
//   conv3 3x3,  64, norm, ReLU           14 x 14 x  64
//   conv4 3x3,  64, norm, ReLU           14 x 14 x  64
//   max pool 2 x 2                        7 x  7 x  64
//   conv5 3x3, 128, norm, ReLU            7 x  7 x 128
//   average                               1 x  1 x 128
//   fc, classes

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct small_cnn_options {
    dim_t classes = 10;
    dim_t height = 28, width = 28; ///< at least 4
    dim_t channels = 1;            ///< of the images
};

inline nn::network small_cnn(const small_cnn_options& options = {}) {
    nn::network_builder net;
    auto x = net.input(options.height, options.width, options.channels);
    int number = 0;
    const auto block = [&](dim_t channels) {
        ++number;
        x = net.convolution(join("conv", number), x,
                            {.out_channels = channels, .kernel = 3, .padding = 1, .bias = false});
        x = net.relu(net.batch_norm(join("norm", number), x));
    };
    block(32);
    block(32);
    x = net.max_pool(x, {.kernel = 2});
    block(64);
    block(64);
    x = net.max_pool(x, {.kernel = 2});
    block(128);
    x = net.flatten(net.global_average_pool(x));
    return net.finish(net.linear("fc", x, {.out_features = options.classes}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
