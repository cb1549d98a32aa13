// SPDX-License-Identifier: Apache-2.0
#pragma once

// SqueezeNet 1.1 (Iandola et al., arXiv 1602.07360, and its repository): eight "fire" modules, which squeeze their
// input by a 1x1 convolution and expand it by 1x1 and 3x3 ones side by side. Parameters are called as in torchvision.

#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct squeezenet_options {
    dim_t classes = 1000;
    dim_t image = 224; ///< pixels each way
};

inline nn::network squeezenet(const squeezenet_options& options = {}) {
    nn::network_builder net;
    const nn::op::max_pool pool{.kernel = 3, .stride = 2, .ceil_mode = true};
    auto x = net.input(options.image, options.image, 3);
    const auto fire = [&](int place, dim_t squeezed, dim_t expanded) {
        const std::string name = join("features.", place);
        const auto s = net.relu(net.convolution(name + ".squeeze", x, {.out_channels = squeezed}));
        const auto one = net.relu(net.convolution(name + ".expand1x1", s, {.out_channels = expanded}));
        const auto three =
            net.relu(net.convolution(name + ".expand3x3", s, {.out_channels = expanded, .kernel = 3, .padding = 1}));
        x = net.concatenate({one, three}, name);
    };
    x = net.relu(net.convolution("features.0", x, {.out_channels = 64, .kernel = 3, .stride = 2}));
    x = net.max_pool(x, pool);
    fire(3, 16, 64);
    fire(4, 16, 64);
    x = net.max_pool(x, pool);
    fire(6, 32, 128);
    fire(7, 32, 128);
    x = net.max_pool(x, pool);
    fire(9, 48, 192);
    fire(10, 48, 192);
    fire(11, 64, 256);
    fire(12, 64, 256);
    x = net.convolution("classifier.1", net.dropout(x, 0.5), {.out_channels = options.classes});
    return net.finish(net.flatten(net.global_average_pool(net.relu(x))));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
