// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training without its number format: the one boundary between what is compiled once and the plans, which are
// compiled for each storage type (train_fp32.cpp, train_dfp16.cpp).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "intaglio/core/parallel.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/train/cross_entropy.hpp"
#include "intaglio/train/options.hpp"
#include "intaglio/train/profile.hpp"
#include "intaglio/train/report.hpp"
#include "intaglio/train/score.hpp"
#include "intaglio/train/sgd.hpp"
#include "intaglio/train/training_state.hpp"

namespace training {

using intaglio::dim_t;

struct model_setup {
    intaglio::nn::network network;
    dim_t batch = 1;
    intaglio::nn::parameters first;
    intaglio::train::plan_options plan{};
    intaglio::train::sgd_options update{};
    intaglio::executor_ref exec{};
};

/// Images that fill a batch, and the labels of those that count.
struct test_images {
    std::span<const float> images;
    std::span<const std::int32_t> labels;
};

/// train/trainer.hpp has the meaning of each.
class model {
public:
    virtual ~model() = default;
    virtual intaglio::train::batch_result step(std::span<const float> images, std::span<const std::int32_t> labels,
                                               double rate) = 0;
    virtual intaglio::train::score evaluate(const std::function<std::optional<test_images>()>& next) = 0;
    virtual intaglio::train::training_state state() = 0;
    virtual void resume(const intaglio::train::training_state& from) = 0;
    virtual dim_t steps() const = 0;
    virtual dim_t tensor_bytes() const = 0;
    virtual void measure(intaglio::train::profile* times) = 0;
    virtual void watch(intaglio::train::step_report* report) = 0;
};

std::unique_ptr<model> make_fp32_model(model_setup setup);
std::unique_ptr<model> make_dfp16_model(model_setup setup);

/// Logits of a batch, valid until the next one.
using trained_network = std::function<std::span<const float>(std::span<const float> images)>;

/// A network that is not trained any more, for batches of so many images.
trained_network make_fp32_network(const intaglio::nn::network& net, intaglio::nn::parameters weights, dim_t batch,
                                  intaglio::executor_ref exec);

} // namespace training
