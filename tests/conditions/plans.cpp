// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "conditions/families.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/train/plan.hpp"
#include "intaglio/train/schedule.hpp"
#include "intaglio/train/sgd.hpp"

namespace intaglio::conditions {
namespace {

nn::network network() {
    nn::network_builder b;
    auto x = b.input(9, 9, 3);
    x = b.relu(b.batch_norm("bn1", b.convolution("conv1", x, {.out_channels = 8, .kernel = 3, .padding = 1})));
    x = b.local_response_norm(x, {.size = 3, .alpha = 0.5, .beta = 0.6});
    x = b.max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
    const auto y = b.batch_norm("bn2", b.convolution("conv2", x, {.out_channels = 8, .kernel = 3, .padding = 1}));
    x = b.relu(b.add(y, x));
    x = b.average_pool(x, {.kernel = 3, .stride = 2, .padding = 1, .count_include_pad = false});
    x = b.dropout(b.flatten(x), 0.3);
    return b.finish(b.linear("fc", x, {.out_features = 5}), {.label_smoothing = 0.1});
}

template <class T>
void steps(const nn::network& net, executor_ref exec, bytes& out) {
    nn::parameters p(net);
    for (std::size_t i = 0; i < p.count(); ++i) {
        if (!p.spec(i).trained) continue;
        const auto drawn = floats(p[i].size(), 40 + i, -1, 4);
        std::copy(drawn.begin(), drawn.end(), p[i].data());
    }
    constexpr dim_t batch = 3;
    train::plan<T> training(net, nn::image_shape(net, batch), p, {}, exec);
    train::sgd update(p, {.momentum = 0.9F, .weight_decay = 1e-3F, .nesterov = true});
    for (const auto kind : {train::schedule_kind::cosine, train::schedule_kind::poly, train::schedule_kind::onecycle}) {
        const train::schedule rates{.kind = kind, .rate = 0.07, .steps = 7, .warmup = 2};
        for (dim_t step = 0; step < 9; ++step) out.add(rates(step));
    }
    const std::vector<std::int32_t> labels{4, 0, 2};
    for (std::uint64_t step = 0; step < 2; ++step) {
        training.set_step(step);
        const auto images = floats(training.images().size(), 60 + step, step == 0 ? 0 : -120, 8);
        out.add(training.gradients_of(images, labels).loss);
        out.add(training.logits());
        for (auto& gradient : training.gradients())
            out.add(std::span<const float>(gradient.data(), static_cast<std::size_t>(gradient.size())));
        update.step(p, training.gradients(), 0.05F, exec);
        training.parameters_changed();
    }
    training.forward(floats(training.images().size(), 62), false);
    out.add(training.logits());
    for (std::size_t i = 0; i < p.count(); ++i)
        out.add(std::span<const float>(p[i].data(), static_cast<std::size_t>(p[i].size())));
}

} // namespace

void train_plans(executor_ref exec, bytes& out) {
    const nn::network net = network();
    steps<float>(net, exec, out);
    steps<std::int16_t>(net, exec, out);
}

} // namespace intaglio::conditions
