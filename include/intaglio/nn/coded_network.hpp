// SPDX-License-Identifier: Apache-2.0
#pragma once

// A network for integer inference as data: what encode.hpp makes of a folded network, io/coded_network_file.hpp stores
// and loads, accounting.hpp weighs, and integer_network.hpp runs.
//
// Activations are unsigned 8-bit with one scale per tensor. Each convolution has its weights in one of three codings;
// the greedy one is a dial: its first L planes are a coarser network in the same memory.

#include <string>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/stages.hpp"
#include "intaglio/tensor/block_tensor.hpp"
#include "intaglio/tensor/ternary_tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// How the weights of one layer are coded.
struct weight_coding {
    enum class family {
        int8,   ///< 8-bit weights, one scale per output channel
        greedy, ///< `planes` residual ternary planes, each with scales of its own
        locked, ///< `planes` ternary planes with scales locked 3 : 1, fused into one code
    };
    family kind = family::int8;
    int planes = 1; ///< 1 .. 3; 1 for int8

    friend bool operator==(const weight_coding&, const weight_coding&) = default;
};

/// Weights along the reduction that share a scale.
inline constexpr dim_t scale_run = 64;
inline constexpr int max_planes = 3;

// rows: out_channels, cols: (r, s, c)
using coded_weights = std::variant<block_tensor<fixed<8>>, ternary_tensor, locked_tensor>;

struct coded_conv {
    std::string name;
    conv2d_shape shape;
    coded_weights weights;
    std::vector<float> scale, shift; ///< per output channel: out = scale * (sum of in * weight) + shift
    float in_scale = 1;              ///< value of one step of the input activations
    /// Value of one step of the outputs, which are rectified; 0: outputs are real numbers and are not.
    float out_scale = 0;
};

using coded_stage = std::variant<coded_conv, max_pool_stage, average_pool_stage>;

struct coded_network {
    std::vector<coded_stage> stages;

    /// How many levels the dial has: the planes of the layers with greedy planes, 1 if there are none.
    int levels() const {
        int most = 1;
        for (const auto& stage : stages)
            if (const auto* conv = std::get_if<coded_conv>(&stage))
                if (const auto* planes = std::get_if<ternary_tensor>(&conv->weights))
                    most = std::max(most, static_cast<int>(planes->planes()));
        return most;
    }
};

/// The planes that a layer of `stored` planes uses at a level of the dial.
constexpr int planes_at(dim_t stored, int level) { return static_cast<int>(std::min<dim_t>(stored, level)); }

} // namespace intaglio::inline INTAGLIO_ABI::nn
