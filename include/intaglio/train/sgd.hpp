// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stochastic gradient descent with momentum and weight decay, on FP32 master weights, as PyTorch has it. For a weight w
// with gradient g:
//
//   d = g + weight_decay w            (where the parameter decays)
//   v = momentum v + d                (in the first step v = d)
//   w = w - rate v                    or, after Nesterov,   w = w - rate (d + momentum v)
//
// One pass over the four arrays; no fused multiply-adds, so that all instruction sets give the same bits.

#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/quantize/convert.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct sgd_options {
    float momentum = 0.9F;     ///< 0 <= momentum < 1
    float weight_decay = 0.0F; ///< >= 0
    bool nesterov = false;
    bool decay_all = false; ///< biases and batch norms too, not the weights of products alone
};

class sgd {
public:
    /// For those of `parameters` that are trained. value_error for options out of range.
    explicit sgd(const nn::parameters& parameters, const sgd_options& options = {}) : options_(options) {
        require<value_error>(options.momentum >= 0 && options.momentum < 1, "sgd: momentum should be in [0, 1), is ",
                             options.momentum);
        require<value_error>(options.weight_decay >= 0, "sgd: weight decay should not be negative, is ",
                             options.weight_decay);
        for (std::size_t i = 0; i < parameters.count(); ++i)
            velocities_.emplace_back(parameters.spec(i).trained ? parameters.spec(i).shape : extents{0});
    }

    /// One step of parameter `i` at learning rate `rate`.
    void step(nn::parameters& parameters, std::size_t i, std::span<const float> gradient, float rate,
              executor_ref exec = {}) {
        require(i < velocities_.size() && parameters.count() == velocities_.size() &&
                    std::ssize(gradient) == velocities_[i].size(),
                "sgd: made for ", velocities_.size(), " parameters, got ", parameters.count(), " and a gradient of ",
                gradient.size(), " elements by parameter ", i);
        const bool decays = options_.decay_all || parameters.spec(i).decays;
        const float decay = decays ? options_.weight_decay : 0.0F, momentum = options_.momentum;
        const bool nesterov = options_.nesterov;
        float* __restrict const w = parameters[i].data();
        float* __restrict const v = velocities_[i].data();
        const float* __restrict const g = gradient.data();
        intaglio::detail::for_each_chunk(std::ssize(gradient), exec, [=](dim_t first, dim_t count) {
            for (dim_t k = first; k < first + count; ++k) {
                const float d = g[k] + decay * w[k];
                v[k] = momentum * v[k] + d;
                w[k] -= rate * (nesterov ? d + momentum * v[k] : v[k]);
            }
        });
    }
    /// One step of all. `gradients` in the order of the parameters; empty ones are left alone.
    void step(nn::parameters& parameters, const std::vector<tensor<float>>& gradients, float rate,
              executor_ref exec = {}) {
        require(gradients.size() == velocities_.size() && parameters.count() == velocities_.size(), "sgd: made for ",
                velocities_.size(), " parameters, got ", parameters.count(), " and ", gradients.size(), " gradients");
        for (std::size_t i = 0; i < velocities_.size(); ++i)
            if (gradients[i].size() > 0) step(parameters, i, gradients[i].span(), rate, exec);
    }

    /// What a checkpoint keeps, in the order of the parameters.
    std::vector<tensor<float>>& velocities() { return velocities_; }

private:
    sgd_options options_;
    std::vector<tensor<float>> velocities_;
};

} // namespace intaglio::inline INTAGLIO_ABI::train
