// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much the answer moves when one product alone is coded, measured without data: on a few noise images (or any
// others) in FP32,
//
//   s_l = |logits with product l coded - logits|^2 / |logits - their mean over the images|^2
//
// The mean is left out because what all images have in common tells no class. Errors of products add nearly as squares
// (quantize/sensitivity.hpp), and s_l grows as the square of the step: that makes the choice of steps a knapsack
// (step_budget.hpp).

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/nn/reference/network.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

namespace detail {

/// The values of the answer after node `from` has other parameters: only what depends on it is computed again.
inline tensor<float> answer_with(const folded_network& folded, const nn::parameters& weights,
                                 const nn::reference::activations& run, std::size_t from, executor_ref exec) {
    const nn::network& net = folded.net;
    std::vector<tensor<float>> fresh(net.nodes.size());
    nn::reference::norm_statistics unused;
    const nn::reference::network_mode mode{.products = {.exec = exec}};
    const std::vector<std::vector<std::size_t>> readers = nn::readers(net);
    for (std::size_t i = from; i < net.nodes.size(); ++i) {
        bool changed = i == from;
        std::vector<const tensor<float>*> in;
        for (const std::size_t input : net.nodes[i].inputs) {
            changed = changed || !fresh[input].empty();
            in.push_back(fresh[input].empty() ? &run.values[input] : &fresh[input]);
        }
        if (!changed) continue;
        fresh[i] = tensor<float>(run.shapes[i], uninitialized);
        std::visit(nn::reference::detail::node_forward{mode, weights, i, in, fresh[i], unused}, net.nodes[i].op);
        for (const std::size_t input : net.nodes[i].inputs) // memory of a few activations
            if (readers[input].back() == i) fresh[input] = {};
    }
    const std::size_t output = net.outputs.front().node;
    return fresh[output].empty() ? run.values[output] : std::move(fresh[output]);
}

/// Puts the weights of a coded product, with all its planes, in the place of the exact ones.
inline void put_weights(nn::parameters& weights, std::size_t node, const coded_product& product) {
    const channel_codes codes = sum_of_planes(product, product.plane_count());
    tensor<float>& w = weights[weights.place(node, nn::parameter_role::weight)];
    const dim_t cols = product.cols();
    for (dim_t i = 0; i < w.size(); ++i)
        w[i] = codes.steps[static_cast<std::size_t>(i / cols)] * static_cast<float>(codes.codes[i]);
    if (float* const bias = weights.find(node, nn::parameter_role::bias)) {
        const std::vector<float> values = product.planes.back().bias.values();
        std::copy(values.begin(), values.end(), bias);
    }
}

} // namespace detail

/// s_l of each node that is a product, 0 elsewhere, for products coded in steps of `step` (encode.hpp). At least two
/// images. `done` is called before each product, with how many are done and its name.
inline std::vector<double> measure_sensitivity(const folded_network& folded, const calibration& measured,
                                               const tensor<float>& images, double step, executor_ref exec = {},
                                               const std::function<void(dim_t, const std::string&)>& done = {}) {
    const float_environment scope;
    require<value_error>(images.shape()[0] >= 2, "measure_sensitivity: ", images.shape()[0],
                         " images; at least two are needed");
    const nn::reference::activations run =
        nn::reference::forward(folded.net, folded.weights, images, {.products = {.exec = exec}});
    const tensor<float>& logits = run.values[folded.net.outputs.front().node];
    const dim_t batch = logits.shape()[0], classes = logits.size() / batch;
    double power = 0;
    for (dim_t c = 0; c < classes; ++c) {
        double sum = 0, squares = 0;
        for (dim_t b = 0; b < batch; ++b) {
            const auto v = static_cast<double>(logits[b * classes + c]);
            sum += v, squares += v * v;
        }
        power += squares - sum * sum / static_cast<double>(batch);
    }
    std::vector<double> sensitivity(folded.net.nodes.size(), 0);
    nn::parameters changed = folded.weights;
    dim_t count = 0;
    for (const std::size_t i : products_of(folded.net)) {
        if (done) done(count++, folded.net.nodes[i].name);
        const std::size_t at = folded.weights.place(i, nn::parameter_role::weight);
        const coded_product coded = code_node(folded, measured, i, {.step = step}, exec);
        detail::put_weights(changed, i, coded);
        const tensor<float> moved = detail::answer_with(folded, changed, run, i, exec);
        double error = 0;
        for (dim_t k = 0; k < logits.size(); ++k) {
            const double d = static_cast<double>(moved[k]) - static_cast<double>(logits[k]);
            error += d * d;
        }
        sensitivity[i] = power > 0 ? error / power : 0;
        changed[at] = folded.weights[at];
        const std::size_t bias = folded.weights.place(i, nn::parameter_role::bias);
        if (bias < folded.weights.count()) changed[bias] = folded.weights[bias];
    }
    return sensitivity;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
