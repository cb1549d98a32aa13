// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of tests/golden/operations.safetensors that are nodes of a network (golden/README.md).

#include <string>

#include "intaglio/io/safetensors.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/operations.hpp"
#include "support/files.hpp"

namespace intaglio::golden {

inline const io::safetensors_file& operations_file() {
    static const auto file = io::safetensors_file::read(golden_file("operations.safetensors"));
    return file;
}

struct golden_operation {
    const char* name;
    nn::operation op;
    bool training = true;

    tensor<float> stored(const std::string& part) const { return operations_file().get<float>(join(name, '.', part)); }
    bool is_norm() const { return std::holds_alternative<nn::op::batch_norm>(op); }
};

inline const golden_operation golden_operations[] = {
    {"conv_3x3", nn::op::convolution{.in_channels = 5, .out_channels = 6, .kernel = 3, .padding = 1}},
    {"conv_7x7_s2", nn::op::convolution{.in_channels = 3, .out_channels = 8, .kernel = 7, .stride = 2, .padding = 3}},
    {"conv_1x1_s2", nn::op::convolution{.in_channels = 8, .out_channels = 4, .stride = 2}},
    {"conv_rect",
     nn::op::convolution{.in_channels = 4, .out_channels = 5, .kernel = {1, 7}, .stride = {1, 2}, .padding = {0, 3}}},
    {"conv_dilated",
     nn::op::convolution{.in_channels = 4, .out_channels = 4, .kernel = 3, .padding = 2, .dilation = 2}},
    {"conv_grouped", nn::op::convolution{.in_channels = 8, .out_channels = 12, .kernel = 3, .padding = 1, .groups = 4}},
    {"conv_depthwise",
     nn::op::convolution{.in_channels = 8, .out_channels = 8, .kernel = 3, .stride = 2, .padding = 1, .groups = 8}},
    {"linear", nn::op::linear{.in_features = 17, .out_features = 11}},
    {"norm_training", nn::op::batch_norm{.channels = 6, .epsilon = 1e-3}},
    {"norm_evaluation", nn::op::batch_norm{.channels = 6, .epsilon = 1e-3}, false},
    {"relu", nn::op::relu{}},
    {"relu_special", nn::op::relu{}},
    {"max_pool", nn::op::max_pool{.kernel = 3, .stride = 2, .padding = 1}},
    {"max_pool_special", nn::op::max_pool{.kernel = 3, .stride = 2, .padding = 1}},
    {"max_pool_ceil", nn::op::max_pool{.kernel = 3, .stride = 2, .ceil_mode = true}},
    {"max_pool_ceil_special", nn::op::max_pool{.kernel = 3, .stride = 2, .ceil_mode = true}},
    {"average_pool", nn::op::average_pool{.kernel = 3, .stride = 2, .padding = 1}},
    {"average_pool_inside", nn::op::average_pool{.kernel = 3, .stride = 2, .padding = 1, .count_include_pad = false}},
    {"adaptive_pool", nn::op::adaptive_average_pool{6}},
    {"global_pool", nn::op::adaptive_average_pool{1}},
    {"response_norm", nn::op::local_response_norm{.size = 5, .alpha = 1e-4, .beta = 0.75, .k = 2}},
    {"response_norm_even", nn::op::local_response_norm{.size = 4, .alpha = 1e-2, .beta = 0.75, .k = 1}},
};

} // namespace intaglio::golden
