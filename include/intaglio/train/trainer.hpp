// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training: a network's parameters, their plan, the update and the number of the step, as one object.
//
//   trainer<std::int16_t> training(net, 128, std::move(first), {}, {.momentum = 0.9F, .weight_decay = 5e-4F}, pool);
//   while (training.steps() < steps) {
//       const data::batch& b = batches.next();
//       training.step(b.images.span(), b.labels, rate(training.steps()));
//   }
//
// Where batches come from, what the rate is, when to save and what to print is the caller's. state() and resume() cut a
// training into pieces that give the same bits as the whole. The storage type is that of plan.hpp: float or int16.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/train/options.hpp"
#include "intaglio/train/plan.hpp"
#include "intaglio/train/profile.hpp"
#include "intaglio/train/score.hpp"
#include "intaglio/train/sgd.hpp"
#include "intaglio/train/training_state.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// Images and labels for an evaluation. `images` fills a batch of the plan; labels are those of the first images, the
/// others are not counted.
struct labelled_images {
    std::span<const float> images;
    std::span<const std::int32_t> labels;
};

template <class T>
class trainer {
public:
    /// Begins at step 0 with `first`. value_error where those are the parameters of another network; otherwise throws
    /// as plan and sgd do.
    trainer(const nn::network& net, dim_t batch, nn::parameters first, const plan_options& how = {},
            const sgd_options& update = {}, executor_ref exec = {})
        : parameters_(checked(net, std::move(first))), plan_(net, nn::image_shape(net, batch), parameters_, how, exec),
          update_(parameters_, update), exec_(exec), unknown_(plan_.exponents()) {}

    const nn::network& network() const { return plan_.network(); }
    const nn::parameters& parameters() const { return parameters_; }
    dim_t batch() const { return plan_.batch(); }
    /// Steps that were done.
    dim_t steps() const { return step_; }
    /// Bytes of activations and gradients.
    dim_t tensor_bytes() const { return plan_.tensor_bytes(); }
    /// Who shares the work from now on; of no influence on results.
    void use(executor_ref exec) {
        exec_ = exec;
        plan_.use(exec);
    }
    /// Measures the steps from now on, or no longer if it is null.
    void measure(profile* times) {
        times_ = times;
        plan_.measure(times);
    }

    /// From now on steps report what they do to each tensor (report.hpp), or no longer if it is null.
    void watch(step_report* report) { plan_.watch(report); }

    /// One step on a batch of images (batch, height, width, channels) at learning rate `rate`. value_error, which
    /// names step and tensor, where the loss or a tensor is not finite; then running statistics may be spoilt, and some
    /// parameters may have moved where it is a gradient: go back to a state from before.
    batch_result step(std::span<const float> images, std::span<const std::int32_t> labels, double rate) {
        plan_.set_step(static_cast<std::uint64_t>(step_));
        batch_result result;
        try {
            // a parameter moves as soon as its gradient is there, since nothing reads it any more in this step
            result = plan_.gradients_of(images, labels, [&](std::size_t i, std::span<const float> gradient) {
                const auto watch = time_of(times_, "update", pass_kind::update);
                update_.step(parameters_, i, gradient, static_cast<float>(rate), exec_);
                plan_.parameters_changed();
            });
        } catch (const value_error& fault) {
            const std::string tensor = first_not_finite(parameters_);
            fail<value_error>("step ", step_, ": ", fault.what(),
                              tensor.empty() ? "" : "; the first parameters that are not finite: " + tensor);
        }
        ++step_;
        return result;
    }

    /// What the network answers to images: running statistics, nothing dropped. `next` gives std::optional of
    /// labelled_images, none at the end. It is not measured, and the training goes on as if it
    /// had not been called.
    template <class Next>
    score evaluate(Next&& next) {
        const std::vector<std::int32_t> kept = plan_.exponents();
        const auto put_back = [&] {
            plan_.set_exponents(kept);
            plan_.measure(times_);
        };
        plan_.set_exponents(unknown_); // so that the answers depend on the parameters alone
        plan_.measure(nullptr);
        score sum;
        try {
            while (const std::optional<labelled_images> b = next()) {
                plan_.forward(b->images, false);
                const auto classes = static_cast<std::size_t>(plan_.classes());
                require(b->labels.size() * classes <= plan_.logits().size(), "trainer: ", b->labels.size(),
                        " labels for a batch of ", batch());
                sum.add(plan_.logits().first(b->labels.size() * classes), b->labels);
            }
        } catch (...) {
            put_back();
            throw;
        }
        put_back();
        return sum;
    }

    training_state state() { return {parameters_, update_.velocities(), plan_.exponents(), step_}; }

    /// Goes on from a state. value_error where it is one of another network or storage type; then nothing is changed.
    void resume(const training_state& from) {
        require<value_error>(from.parameters.specs() == parameters_.specs(),
                             "trainer: the state's parameters are those of another network");
        require<value_error>(from.exponents.size() == unknown_.size() && from.step >= 0, "trainer: a state of ",
                             from.exponents.size(), " exponents at step ", from.step, ", this training has ",
                             unknown_.size());
        auto& velocities = update_.velocities();
        require<value_error>(from.velocities.size() == velocities.size(), "trainer: a state of ",
                             from.velocities.size(), " velocities for ", velocities.size(), " parameters");
        for (std::size_t i = 0; i < velocities.size(); ++i)
            require<value_error>(from.velocities[i].shape() == velocities[i].shape(), "trainer: the velocity of '",
                                 parameters_.spec(i).name, "' is ", from.velocities[i].shape(), ", expected ",
                                 velocities[i].shape());
        for (std::size_t i = 0; i < velocities.size(); ++i) {
            std::copy(from.parameters[i].begin(), from.parameters[i].end(), parameters_[i].begin());
            std::copy(from.velocities[i].begin(), from.velocities[i].end(), velocities[i].begin());
        }
        plan_.set_exponents(from.exponents);
        plan_.parameters_changed();
        step_ = from.step;
    }

private:
    static nn::parameters checked(const nn::network& net, nn::parameters first) {
        require<value_error>(first.specs() == nn::parameter_specs(net),
                             "trainer: the parameters are those of another network");
        return first;
    }

    nn::parameters parameters_;
    plan<T> plan_;
    sgd update_;
    executor_ref exec_;
    std::vector<std::int32_t> unknown_; ///< exponents before the first step
    profile* times_ = nullptr;
    dim_t step_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::train
