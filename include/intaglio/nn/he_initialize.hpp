// SPDX-License-Identifier: Apache-2.0
#pragma once

// First values of a network's parameters. Weights are uniform with mean 0 and a stated variance; biases are 0, batch
// norms start as the identity. By default
//
//   convolutions   variance 2 / fan_out     fan_out = out_channels kernel.h kernel.w, as torchvision's ResNet and VGG
//   linear layers  variance 1 / (3 fan_in)  that is +-1 / sqrt(fan_in), PyTorch's default
//
// He et al. (ICCV 2015) choose a variance of 2 / fan so that signals keep their size through ReLUs. Uniform rather than
// normal: it needs no library function, so the same seed gives the same bits on every machine. Tensor i of the network
// draws from stream i of the counter-based generator, four values from each block of random words.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// The variance of a first weight: `gain` divided by a count of its layer's connections.
struct initial_variance {
    enum class per { fan_in, fan_out, one };
    per divided_by = per::fan_out;
    double gain = 2;
};

inline constexpr initial_variance he_fan_out{initial_variance::per::fan_out, 2};
inline constexpr initial_variance he_fan_in{initial_variance::per::fan_in, 2};
inline constexpr initial_variance pytorch_default{initial_variance::per::fan_in, 1.0 / 3};
/// Whatever the size of the layer, as VGG's linear layers with 0.01.
constexpr initial_variance fixed_deviation(double deviation) {
    return {initial_variance::per::one, deviation * deviation};
}

struct he_options {
    initial_variance convolution = he_fan_out;
    initial_variance linear = pytorch_default;
    bool zero_last_norm = false; ///< weights of batch norms that end a residual branch (the first input of an add): 0
};

/// Sets every parameter of the network, whatever it was.
inline void he_initialize(const network& net, parameters& weights, std::uint64_t seed, const he_options& options = {},
                          executor_ref exec = {}) {
    const float_environment scope;
    weights = parameters(net);
    for (std::size_t i = 0; i < weights.count(); ++i) {
        const parameter_spec& spec = weights.spec(i);
        if (!spec.decays) continue; // no weight of a product
        const bool convolution = std::holds_alternative<op::convolution>(net.nodes[spec.node].op);
        const initial_variance& variance = convolution ? options.convolution : options.linear;
        const dim_t taps = convolution ? spec.shape[1] * spec.shape[2] : 1, fan_out = spec.shape[0] * taps,
                    fan_in = spec.shape[0] == 0 ? 0 : spec.shape.size() / spec.shape[0];
        const dim_t fan = variance.divided_by == initial_variance::per::one      ? 1
                          : variance.divided_by == initial_variance::per::fan_in ? fan_in
                                                                                 : fan_out;
        const auto range =
            static_cast<float>(std::sqrt(3 * variance.gain / static_cast<double>(std::max<dim_t>(fan, 1))));
        tensor<float>& values = weights[i];
        constexpr dim_t chunk = 1 << 16; // a multiple of four
        exec.for_each((values.size() + chunk - 1) / chunk, [&](dim_t part, int) {
            const dim_t end = std::min(values.size(), (part + 1) * chunk);
            for (dim_t v = part * chunk; v < end; v += 4) {
                const auto words = random_words(seed, i, static_cast<std::uint64_t>(v / 4));
                for (dim_t w = v; w < std::min(v + 4, end); ++w)
                    values[w] =
                        range * (static_cast<float>(words[static_cast<std::size_t>(w - v)] >> 8) * 0x1p-23f - 1);
            }
        });
    }
    if (!options.zero_last_norm) return;
    for (const node& n : net.nodes)
        if (std::holds_alternative<op::add>(n.op))
            if (const std::size_t branch = n.inputs.front();
                std::holds_alternative<op::batch_norm>(net.nodes[branch].op))
                for (float& v : weights[weights.place(branch, parameter_role::weight)]) v = 0;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
