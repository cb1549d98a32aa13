// SPDX-License-Identifier: Apache-2.0

// The only unit that instantiates plans of floats.

#include "model_of.hpp"

namespace training {
namespace {

struct fp32_network {
    intaglio::nn::parameters weights;
    intaglio::train::plan<float> plan;

    fp32_network(const intaglio::nn::network& net, intaglio::nn::parameters given, dim_t batch,
                 intaglio::executor_ref exec)
        : weights(std::move(given)), plan(net, intaglio::nn::image_shape(net, batch), weights, {}, exec) {}
};

} // namespace

std::unique_ptr<model> make_fp32_model(model_setup setup) {
    return std::make_unique<model_of<float>>(std::move(setup));
}

trained_network make_fp32_network(const intaglio::nn::network& net, intaglio::nn::parameters weights, dim_t batch,
                                  intaglio::executor_ref exec) {
    return
        [made = std::make_shared<fp32_network>(net, std::move(weights), batch, exec)](std::span<const float> images) {
            made->plan.forward(images, false);
            return made->plan.logits();
        };
}

} // namespace training
