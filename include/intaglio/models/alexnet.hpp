// SPDX-License-Identifier: Apache-2.0
#pragma once

// AlexNet (Krizhevsky, Sutskever, Hinton, NIPS 2012), in two forms that share their table:
//
//                       single tower (PyTorch)      as published: two towers, response norm
//   conv1  11x11 /4      64                         96, response norm
//   max pool 3x3 /2
//   conv2   5x5         192                         256, two groups, response norm
//   max pool 3x3 /2
//   conv3   3x3         384                         384
//   conv4   3x3         256                         384, two groups
//   conv5   3x3         256                         256, two groups
//   max pool 3x3 /2
//   fc 4096, fc 4096, fc classes, with dropout before the first two
//
// Every convolution and the first two linear layers have a bias and a ReLU. Parameters are called as in torchvision.

#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct alexnet_options {
    dim_t classes = 1000;
    dim_t image = 224;          ///< pixels each way
    bool two_towers = false;    ///< groups and widths as published
    bool response_norm = false; ///< after the first two ReLUs, as published
    double dropout = 0.5;
};

inline constexpr alexnet_options alexnet_as_published{.two_towers = true, .response_norm = true};

inline nn::network alexnet(const alexnet_options& options = {}) {
    const struct {
        const char* name;
        dim_t kernel, stride, padding, width, published_width, published_groups;
        bool norm, pool;
    } table[] = {
        {"features.0", 11, 4, 2, 64, 96, 1, true, true},    {"features.3", 5, 1, 2, 192, 256, 2, true, true},
        {"features.6", 3, 1, 1, 384, 384, 1, false, false}, {"features.8", 3, 1, 1, 256, 384, 2, false, false},
        {"features.10", 3, 1, 1, 256, 256, 2, false, true},
    };
    nn::network_builder net;
    auto x = net.input(options.image, options.image, 3);
    for (const auto& row : table) {
        x = net.convolution(row.name, x,
                            {.out_channels = options.two_towers ? row.published_width : row.width,
                             .kernel = row.kernel,
                             .stride = row.stride,
                             .padding = row.padding,
                             .groups = options.two_towers ? row.published_groups : 1});
        x = net.relu(x);
        // the paper multiplies the sum of 5 squares by 1e-4; here alpha is divided by their number
        if (row.norm && options.response_norm) x = net.local_response_norm(x, {.size = 5, .alpha = 5e-4, .k = 2});
        if (row.pool) x = net.max_pool(x, {.kernel = 3, .stride = 2});
    }
    x = net.flatten(net.adaptive_average_pool(x, 6, "avgpool"));
    x = net.relu(net.linear("classifier.1", net.dropout(x, options.dropout), {.out_features = 4096}));
    x = net.relu(net.linear("classifier.4", net.dropout(x, options.dropout), {.out_features = 4096}));
    return net.finish(net.linear("classifier.6", x, {.out_features = options.classes}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
