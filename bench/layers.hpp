// SPDX-License-Identifier: Apache-2.0
#pragma once

// The convolutions of four networks at 224 x 224, each shape once with the number of times that it occurs. Benchmarks
// and tests take their shapes from here, so that a figure always belongs to a layer that somebody runs.
//
//   network       convolutions   shapes   10^9 multiply-adds an image
//   ResNet-50 v1            53       20   3.86
//   VGG-16                  13        9   15.35
//   GoogLeNet v1            57       49   1.58
//   AlexNet                  5        5   0.66
//
// ResNet-50 v1 has its stride in the first 1 x 1 of a block; AlexNet is the one-tower version. GoogLeNet's auxiliary
// classifiers are left out.

#include <cstddef>
#include <span>

namespace layers {

/// A convolution with equal sizes both ways, square kernel, one group.
struct layer {
    const char* name;
    std::ptrdiff_t size; ///< of the input, in pixels
    std::ptrdiff_t in_channels, out_channels;
    std::ptrdiff_t kernel, stride, pad;
    int count;                   ///< how often the network has it
    bool representative = false; ///< one of the dozen that stand for all in a quick run

    constexpr std::ptrdiff_t out_size() const { return (size + 2 * pad - kernel) / stride + 1; }
    constexpr std::ptrdiff_t depth() const { return kernel * kernel * in_channels; } ///< of the reduction
    /// Multiply-adds for one image.
    constexpr double macs() const {
        return static_cast<double>(out_size() * out_size() * out_channels) * static_cast<double>(depth());
    }
};

struct network {
    const char* name;
    std::span<const layer> layers;
};

inline constexpr layer resnet50_layers[] = {
    {"conv1", 224, 3, 64, 7, 2, 3, 1, true},      {"conv2_1a", 56, 64, 64, 1, 1, 0, 1},
    {"conv2_b", 56, 64, 64, 3, 1, 1, 3, true},    {"conv2_c", 56, 64, 256, 1, 1, 0, 4, true},
    {"conv2_a", 56, 256, 64, 1, 1, 0, 2},         {"conv3_1a", 56, 256, 128, 1, 2, 0, 1},
    {"conv3_b", 28, 128, 128, 3, 1, 1, 4, true},  {"conv3_c", 28, 128, 512, 1, 1, 0, 4},
    {"conv3_1proj", 56, 256, 512, 1, 2, 0, 1},    {"conv3_a", 28, 512, 128, 1, 1, 0, 3},
    {"conv4_1a", 28, 512, 256, 1, 2, 0, 1, true}, {"conv4_b", 14, 256, 256, 3, 1, 1, 6, true},
    {"conv4_c", 14, 256, 1024, 1, 1, 0, 6},       {"conv4_1proj", 28, 512, 1024, 1, 2, 0, 1},
    {"conv4_a", 14, 1024, 256, 1, 1, 0, 5, true}, {"conv5_1a", 14, 1024, 512, 1, 2, 0, 1},
    {"conv5_b", 7, 512, 512, 3, 1, 1, 3, true},   {"conv5_c", 7, 512, 2048, 1, 1, 0, 3, true},
    {"conv5_1proj", 14, 1024, 2048, 1, 2, 0, 1},  {"conv5_a", 7, 2048, 512, 1, 1, 0, 2},
};

inline constexpr layer vgg16_layers[] = {
    {"conv1_1", 224, 3, 64, 3, 1, 1, 1},   {"conv1_2", 224, 64, 64, 3, 1, 1, 1},
    {"conv2_1", 112, 64, 128, 3, 1, 1, 1}, {"conv2_2", 112, 128, 128, 3, 1, 1, 1},
    {"conv3_1", 56, 128, 256, 3, 1, 1, 1}, {"conv3_2", 56, 256, 256, 3, 1, 1, 2, true},
    {"conv4_1", 28, 256, 512, 3, 1, 1, 1}, {"conv4_2", 28, 512, 512, 3, 1, 1, 2},
    {"conv5_1", 14, 512, 512, 3, 1, 1, 3},
};

inline constexpr layer googlenet_layers[] = {
    {"conv1", 224, 3, 64, 7, 2, 3, 1},           {"conv2_reduce", 56, 64, 64, 1, 1, 0, 1},
    {"conv2", 56, 64, 192, 3, 1, 1, 1},          {"3a_1x1", 28, 192, 64, 1, 1, 0, 1},
    {"3a_3x3_reduce", 28, 192, 96, 1, 1, 0, 1},  {"3a_3x3", 28, 96, 128, 3, 1, 1, 1},
    {"3a_5x5_reduce", 28, 192, 16, 1, 1, 0, 1},  {"3a_5x5", 28, 16, 32, 5, 1, 2, 1},
    {"3a_pool", 28, 192, 32, 1, 1, 0, 1},        {"3b_1x1", 28, 256, 128, 1, 1, 0, 2},
    {"3b_3x3", 28, 128, 192, 3, 1, 1, 1},        {"3b_5x5_reduce", 28, 256, 32, 1, 1, 0, 1},
    {"3b_5x5", 28, 32, 96, 5, 1, 2, 1, true},    {"3b_pool", 28, 256, 64, 1, 1, 0, 1},
    {"4a_1x1", 14, 480, 192, 1, 1, 0, 1},        {"4a_3x3_reduce", 14, 480, 96, 1, 1, 0, 1},
    {"4a_3x3", 14, 96, 208, 3, 1, 1, 1},         {"4a_5x5_reduce", 14, 480, 16, 1, 1, 0, 1},
    {"4a_5x5", 14, 16, 48, 5, 1, 2, 1},          {"4a_pool", 14, 480, 64, 1, 1, 0, 1},
    {"4b_1x1", 14, 512, 160, 1, 1, 0, 1},        {"4b_3x3_reduce", 14, 512, 112, 1, 1, 0, 2},
    {"4b_3x3", 14, 112, 224, 3, 1, 1, 1},        {"4b_5x5_reduce", 14, 512, 24, 1, 1, 0, 2},
    {"4b_5x5", 14, 24, 64, 5, 1, 2, 2},          {"4b_pool", 14, 512, 64, 1, 1, 0, 3},
    {"4c_1x1", 14, 512, 128, 1, 1, 0, 2},        {"4c_3x3", 14, 128, 256, 3, 1, 1, 1},
    {"4d_3x3_reduce", 14, 512, 144, 1, 1, 0, 1}, {"4d_3x3", 14, 144, 288, 3, 1, 1, 1},
    {"4d_5x5_reduce", 14, 512, 32, 1, 1, 0, 1},  {"4d_5x5", 14, 32, 64, 5, 1, 2, 1},
    {"4e_1x1", 14, 528, 256, 1, 1, 0, 1},        {"4e_3x3_reduce", 14, 528, 160, 1, 1, 0, 1},
    {"4e_3x3", 14, 160, 320, 3, 1, 1, 1},        {"4e_5x5_reduce", 14, 528, 32, 1, 1, 0, 1},
    {"4e_5x5", 14, 32, 128, 5, 1, 2, 1},         {"4e_pool", 14, 528, 128, 1, 1, 0, 1},
    {"5a_1x1", 7, 832, 256, 1, 1, 0, 1},         {"5a_3x3_reduce", 7, 832, 160, 1, 1, 0, 1},
    {"5a_3x3", 7, 160, 320, 3, 1, 1, 1},         {"5a_5x5_reduce", 7, 832, 32, 1, 1, 0, 1},
    {"5a_5x5", 7, 32, 128, 5, 1, 2, 1},          {"5a_pool", 7, 832, 128, 1, 1, 0, 2},
    {"5b_1x1", 7, 832, 384, 1, 1, 0, 1},         {"5b_3x3_reduce", 7, 832, 192, 1, 1, 0, 1},
    {"5b_3x3", 7, 192, 384, 3, 1, 1, 1},         {"5b_5x5_reduce", 7, 832, 48, 1, 1, 0, 1},
    {"5b_5x5", 7, 48, 128, 5, 1, 2, 1},
};

inline constexpr layer alexnet_layers[] = {
    {"conv1", 224, 3, 64, 11, 4, 2, 1, true}, {"conv2", 27, 64, 192, 5, 1, 2, 1},  {"conv3", 13, 192, 384, 3, 1, 1, 1},
    {"conv4", 13, 384, 256, 3, 1, 1, 1},      {"conv5", 13, 256, 256, 3, 1, 1, 1},
};

inline constexpr network networks[] = {
    {"resnet50", resnet50_layers},
    {"vgg16", vgg16_layers},
    {"googlenet", googlenet_layers},
    {"alexnet", alexnet_layers},
};

} // namespace layers
