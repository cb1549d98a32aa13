// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stochastic gradient descent with momentum and weight decay, on FP32 master weights. For a weight w with gradient g:
//
//   d = g + weight_decay w            (where the parameter decays)
//   v = momentum v + d
//   w = w - rate v                    or, after Nesterov,   w = w - rate (d + momentum v)

#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/chunks.hpp"
#include "intaglio/nn/layer.hpp"

namespace intaglio::inline INTAGLIO_ABI::optim {

struct sgd_options {
    float momentum = 0.9f;     ///< 0 .. 1
    float weight_decay = 0.0f; ///< >= 0
    bool nesterov = false;
};

class sgd {
public:
    /// Trains those of `parameters` that are trained. They must outlive the optimizer. value_error for options out of
    /// range.
    explicit sgd(std::vector<nn::parameter*> parameters, const sgd_options& options = {}) : options_(options) {
        require<value_error>(options.momentum >= 0 && options.momentum < 1, "sgd: momentum should be in [0, 1), is ",
                             options.momentum);
        require<value_error>(options.weight_decay >= 0, "sgd: weight decay should not be negative, is ",
                             options.weight_decay);
        for (nn::parameter* p : parameters) {
            if (!p->trained) continue;
            parameters_.push_back(p);
            velocities_.emplace_back(p->value.size());
        }
    }

    /// One step at learning rate `rate`, from the gradients of the last backward pass.
    void step(float rate, executor_ref exec = {}) {
        for (std::size_t i = 0; i < parameters_.size(); ++i) {
            nn::parameter& p = *parameters_[i];
            const float decay = p.decays ? options_.weight_decay : 0.0f, momentum = options_.momentum;
            const bool nesterov = options_.nesterov;
            nn::for_each_chunk(
                p.value.size(), exec,
                [=, w = p.value.data(), g = p.gradient.data(), v = velocities_[i].data()](dim_t begin, dim_t end) {
                    for (dim_t k = begin; k < end; ++k) {
                        const float d = g[k] + decay * w[k];
                        v[k] = momentum * v[k] + d;
                        w[k] -= rate * (nesterov ? d + momentum * v[k] : v[k]);
                    }
                });
        }
    }

private:
    sgd_options options_;
    std::vector<nn::parameter*> parameters_;
    std::vector<buffer<float>> velocities_;
};

} // namespace intaglio::inline INTAGLIO_ABI::optim
