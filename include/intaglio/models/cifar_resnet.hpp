// SPDX-License-Identifier: Apache-2.0
#pragma once

// The residual networks of He et al. (CVPR 2016, section 4.2) for images of 32 x 32 pixels: a 3x3 convolution, three
// stages of n blocks with 16, 32 and 64 channels at 32, 16 and 8 pixels, the average and a linear layer: 6 n + 2
// layers. A block is 3x3, 3x3, each with batch norm. Where the shape changes, the shortcut is either without parameters
// ("option A": every second pixel, a quarter of the channels zeros on each side) or a 1x1 convolution with batch norm
// ("option B"). Parameters are called as in github.com/akamaster/pytorch_resnet_cifar10.

#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

struct cifar_resnet_options {
    dim_t classes = 10;
    bool projections = false; ///< option B
};

/// `depth` is 6 n + 2: 20, 32, 44, 56, 110, ... Throws value_error for others.
inline nn::network cifar_resnet(int depth, const cifar_resnet_options& options = {}) {
    require<value_error>(depth >= 8 && depth % 6 == 2, "cifar_resnet: no network of ", depth,
                         " layers; there are 6 n + 2: 20, 32, 44, 56, 110");
    nn::network_builder net;
    using value = nn::network_builder::value;
    const auto conv = [&](const std::string& name, value x, dim_t channels, dim_t kernel, dim_t stride) {
        return net.convolution(
            name, x,
            {.out_channels = channels, .kernel = kernel, .stride = stride, .padding = kernel / 2, .bias = false});
    };
    const auto block = [&](const std::string& name, value x, dim_t width, dim_t stride) {
        value y = net.relu(net.batch_norm(name + ".bn1", conv(name + ".conv1", x, width, 3, stride)));
        y = net.batch_norm(name + ".bn2", conv(name + ".conv2", y, width, 3, 1));
        if (const dim_t added = width - net.shape(x)[3]; added != 0 && options.projections)
            x = net.batch_norm(name + ".shortcut.1", conv(name + ".shortcut.0", x, width, 1, stride));
        else if (added != 0)
            x = net.padded_shortcut(x, {.stride = stride, .zeros_before = added / 2, .zeros_behind = added / 2},
                                    name + ".shortcut");
        return net.relu(net.add(y, x, name + ".add"));
    };

    value x = net.relu(net.batch_norm("bn1", conv("conv1", net.input(32, 32, 3), 16, 3, 1)));
    dim_t width = 16;
    for (int stage = 1; stage <= 3; ++stage, width *= 2)
        for (int b = 0; b < (depth - 2) / 6; ++b)
            x = block(join("layer", stage, '.', b), x, width, stage > 1 && b == 0 ? 2 : 1);
    x = net.flatten(net.global_average_pool(x, "avgpool"), "flatten");
    return net.finish(net.linear("linear", x, {.out_features = options.classes}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
