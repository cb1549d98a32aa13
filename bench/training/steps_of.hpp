// SPDX-License-Identifier: Apache-2.0
#pragma once

// What steps_*.cpp instantiate (steps.hpp).

#include <optional>
#include <vector>

#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/train/plan.hpp"
#include "intaglio/train/sgd.hpp"
#include "training/steps.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <class T>
class steps_of final : public timed_steps {
public:
    steps_of(const nn::network& net, dim_t batch, const train::plan_options& options)
        : parameters_(net), sgd_(parameters_, {.momentum = 0.9F, .weight_decay = 1e-4F}) {
        nn::he_initialize(net, parameters_, 1);
        plan_.emplace(net, nn::image_shape(net, batch), parameters_, options);
        images_.resize(static_cast<std::size_t>(plan_->images().size()));
        for (std::size_t i = 0; i < images_.size(); ++i) images_[i] = 4 * random_uniform(1, 0, i) - 2;
        for (dim_t i = 0; i < batch; ++i)
            labels_.push_back(static_cast<std::int32_t>(
                random_below(static_cast<std::uint32_t>(plan_->classes()), 1, 1, static_cast<std::uint64_t>(i))));
    }

    void step() override {
        plan_->set_step(step_++);
        plan_->gradients_of(images_, labels_);
        const auto watch = train::time_of(profile_, "parameters", train::pass_kind::update);
        sgd_.step(parameters_, plan_->gradients(), 1e-4F, exec_);
        plan_->parameters_changed();
    }
    void use(executor_ref exec) override {
        exec_ = exec;
        plan_->use(exec);
    }
    void measure(train::profile* to) override {
        profile_ = to;
        plan_->measure(to);
    }
    dim_t tensor_bytes() const override { return plan_->tensor_bytes(); }

private:
    nn::parameters parameters_;
    executor_ref exec_;
    train::sgd sgd_;
    std::optional<train::plan<T>> plan_;
    std::vector<float> images_;
    std::vector<std::int32_t> labels_;
    train::profile* profile_ = nullptr;
    std::uint64_t step_ = 0;
};

template <class T>
std::unique_ptr<timed_steps> make_timed_steps(const nn::network& net, dim_t batch, const train::plan_options& options) {
    return std::make_unique<steps_of<T>>(net, batch, options);
}

} // namespace intaglio::inline INTAGLIO_ABI
