// SPDX-License-Identifier: Apache-2.0
#pragma once

// What steps_*.cpp instantiate (steps.hpp).

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/train/pass_choice.hpp"
#include "intaglio/train/trainer.hpp"
#include "training/steps.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <class T>
class steps_of final : public timed_steps {
public:
    steps_of(const nn::network& net, dim_t batch, const train::plan_options& options)
        : training_(net, batch, first(net), options, {.momentum = 0.9F, .weight_decay = 1e-4F}),
          images_(static_cast<std::size_t>(nn::image_shape(net, batch).size())) {
        for (std::size_t i = 0; i < images_.size(); ++i) images_[i] = 4 * random_uniform(1, 0, i) - 2;
        const extents logits = nn::infer_shapes(net, batch)[net.outputs.front().node];
        for (dim_t i = 0; i < batch; ++i)
            labels_.push_back(static_cast<std::int32_t>(
                random_below(static_cast<std::uint32_t>(logits[3]), 1, 1, static_cast<std::uint64_t>(i))));
    }

    void step() override { training_.step(images_, labels_, 1e-4); }
    int first_steps() const override { return std::is_same_v<T, float> ? 1 : train::pass_choice::steps; }
    void use(executor_ref exec) override { training_.use(exec); }
    void measure(train::profile* to) override { training_.measure(to); }
    dim_t tensor_bytes() const override { return training_.tensor_bytes(); }

private:
    static nn::parameters first(const nn::network& net) {
        nn::parameters weights(net);
        nn::he_initialize(net, weights, 1);
        return weights;
    }

    train::trainer<T> training_;
    std::vector<float> images_;
    std::vector<std::int32_t> labels_;
};

template <class T>
std::unique_ptr<timed_steps> make_timed_steps(const nn::network& net, dim_t batch, const train::plan_options& options) {
    return std::make_unique<steps_of<T>>(net, batch, options);
}

} // namespace intaglio::inline INTAGLIO_ABI
