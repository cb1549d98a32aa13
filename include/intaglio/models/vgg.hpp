// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks of Simonyan and Zisserman (ICLR 2015): 3x3 convolutions in five stages of 64, 128, 256, 512 and 512
// channels, each ended by a 2x2 max pool, then three linear layers. With batch norm after each convolution or without.
//
//   convolutions per stage   VGG-11  1 1 2 2 2    VGG-13  2 2 2 2 2    VGG-16  2 2 3 3 3    VGG-19  2 2 4 4 4
//
// Every convolution and linear layer has a bias. Parameters are called as in torchvision, by place.

#include <array>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct vgg_options {
    dim_t classes = 1000;
    dim_t image = 224; ///< pixels each way
    bool batch_norm = false;
    double dropout = 0.5;
};

/// `depth` counts the layers with weights: 11, 13, 16 or 19. Throws value_error for others.
inline nn::network vgg(int depth, const vgg_options& options = {}) {
    std::array<int, 5> stages{};
    switch (depth) {
    case 11:
        stages = {1, 1, 2, 2, 2};
        break;
    case 13:
        stages = {2, 2, 2, 2, 2};
        break;
    case 16:
        stages = {2, 2, 3, 3, 3};
        break;
    case 19:
        stages = {2, 2, 4, 4, 4};
        break;
    default:
        fail<value_error>("vgg: no network of ", depth, " layers; there are 11, 13, 16 and 19");
    }
    nn::network_builder net;
    auto x = net.input(options.image, options.image, 3);
    dim_t width = 64;
    int place = 0; // in torchvision's sequence
    for (const int convolutions : stages) {
        for (int i = 0; i < convolutions; ++i) {
            x = net.convolution(join("features.", place++), x, {.out_channels = width, .kernel = 3, .padding = 1});
            if (options.batch_norm) x = net.batch_norm(join("features.", place++), x);
            x = net.relu(x, join("features.", place++));
        }
        x = net.max_pool(x, {.kernel = 2}, join("features.", place++));
        width = width < 512 ? 2 * width : 512;
    }
    x = net.flatten(net.adaptive_average_pool(x, 7, "avgpool"));
    x = net.dropout(net.relu(net.linear("classifier.0", x, {.out_features = 4096})), options.dropout);
    x = net.dropout(net.relu(net.linear("classifier.3", x, {.out_features = 4096})), options.dropout);
    return net.finish(net.linear("classifier.6", x, {.out_features = options.classes}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
