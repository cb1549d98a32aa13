// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gradient checker (../gradient_check.hpp) for a network's scalar meaning: a network of one operation checks that
// operation.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/gradient_check.hpp"
#include "intaglio/nn/reference/network.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

/// Checks the gradients of the images and of all trained parameters, from random weights on every output. Parameters
/// are drawn at random first.
inline gradient_report check_gradients(const network& net, dim_t batch, const gradient_check_options& options = {},
                                       const network_mode& mode = {.training = true}) {
    const float_environment scope;
    tensor<float> images(image_shape(net, batch));
    nn::detail::spread_values(images.span(), options.seed, 1);
    parameters weights(net);
    std::uint64_t stream = 2;
    const auto draw = [&](float least, float most) {
        return [=, i = std::uint64_t{0}, seed = options.seed, s = stream++]() mutable {
            return least + (most - least) * random_uniform(seed, s, i++);
        };
    };
    for (std::size_t p = 0; p < weights.count(); ++p)
        std::generate(weights[p].begin(), weights[p].end(), draw(0.5f, 1.5f));

    const activations run = forward(net, weights, images, mode);
    std::vector<tensor<float>> d_outputs;
    for (const network_output& out : net.outputs) {
        d_outputs.emplace_back(run.shapes[out.node]);
        std::generate(d_outputs.back().begin(), d_outputs.back().end(), draw(-1, 1));
    }
    const auto scalar = [&] {
        const activations now = forward(net, weights, images, mode);
        double sum = 0;
        for (std::size_t o = 0; o < net.outputs.size(); ++o)
            for (dim_t i = 0; i < d_outputs[o].size(); ++i)
                sum += static_cast<double>(d_outputs[o][i]) * static_cast<double>(now.values[net.outputs[o].node][i]);
        return sum;
    };
    const auto copy = [](const tensor<float>& t) { return std::vector<float>(t.begin(), t.end()); };
    const gradients computed = backward(net, weights, run, d_outputs, mode, true);
    std::vector<checked_tensor> tensors{{"images", images.span(), copy(computed.images)}};
    for (std::size_t p = 0; p < weights.count(); ++p)
        if (weights.spec(p).trained)
            tensors.push_back({weights.spec(p).name, weights[p].span(), copy(computed.parameters[p])});
    return compare_gradients(scalar, tensors, options);
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
