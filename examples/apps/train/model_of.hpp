// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model (model.hpp) of a storage type.

#include <utility>

#include "intaglio/train/trainer.hpp"
#include "model.hpp"

namespace training {

template <class T>
class model_of final : public model {
public:
    explicit model_of(model_setup s) : trainer_(s.network, s.batch, std::move(s.first), s.plan, s.update, s.exec) {}

    intaglio::train::batch_result step(std::span<const float> images, std::span<const std::int32_t> labels,
                                       double rate) override {
        return trainer_.step(images, labels, rate);
    }
    intaglio::train::score evaluate(const std::function<std::optional<test_images>()>& next) override {
        return trainer_.evaluate([&]() -> std::optional<intaglio::train::labelled_images> {
            const auto b = next();
            if (!b) return std::nullopt;
            return intaglio::train::labelled_images{b->images, b->labels};
        });
    }
    intaglio::train::training_state state() override { return trainer_.state(); }
    void resume(const intaglio::train::training_state& from) override { trainer_.resume(from); }
    dim_t steps() const override { return trainer_.steps(); }
    dim_t tensor_bytes() const override { return trainer_.tensor_bytes(); }
    void measure(intaglio::train::profile* times) override { trainer_.measure(times); }
    void watch(intaglio::train::step_report* report) override { trainer_.watch(report); }

private:
    intaglio::train::trainer<T> trainer_;
};

} // namespace training
