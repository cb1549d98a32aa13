// SPDX-License-Identifier: Apache-2.0
#pragma once

// The small network of the quickstart, for 8 x 8 images of one channel and ten classes. Widths are multiples of 32, so
// that most reductions are whole blocks of 64:
//
//   layer                               output          reduction of one output
//   conv1 3x3,  1 ->  32, norm, ReLU    8 x 8 x  32       9
//   conv2 3x3, 32 ->  64, norm, ReLU    8 x 8 x  64     288
//   max pool 2 x 2                      4 x 4 x  64
//   conv3 3x3, 64 ->  64, norm, ReLU    4 x 4 x  64     576
//   conv4 3x3, 64 -> 128, norm, ReLU    4 x 4 x 128     576
//   average pool                        1 x 1 x 128
//   fc       128 -> 10                  1 x 1 x  10     128

#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network_builder.hpp"

namespace intaglio::inline INTAGLIO_ABI::models {

inline nn::network digits_cnn() {
    nn::network_builder net;
    auto x = net.input(8, 8, 1);
    const auto block = [&](const std::string& number, dim_t channels) {
        x = net.convolution("conv" + number, x, {.out_channels = channels, .kernel = 3, .padding = 1, .bias = false});
        x = net.relu(net.batch_norm("norm" + number, x));
    };
    block("1", 32);
    block("2", 64);
    x = net.max_pool(x, {.kernel = 2});
    block("3", 64);
    block("4", 128);
    x = net.flatten(net.global_average_pool(x));
    return net.finish(net.linear("fc", x, {.out_features = 10}));
}

} // namespace intaglio::inline INTAGLIO_ABI::models
