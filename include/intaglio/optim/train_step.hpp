// SPDX-License-Identifier: Apache-2.0
#pragma once

// One step of supervised training, and the measurement of what was learnt. Loops over epochs, batches and schedules are
// the caller's: they are short, and every experiment has its own.

#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/loss.hpp"
#include "intaglio/nn/sequential.hpp"
#include "intaglio/optim/sgd.hpp"

namespace intaglio::inline INTAGLIO_ABI::optim {

/// Forward, loss, backward, update. Returns the loss and the correct answers of this batch, before the update. `p` says
/// with which threads and what is counted; training is switched on. `smoothing` is that of the labels (nn/loss.hpp).
inline nn::batch_result train_step(nn::sequential& network, const nn::feature_map& images,
                                   std::span<const std::uint8_t> labels, sgd& optimizer, float rate, nn::pass p = {},
                                   float smoothing = 0) {
    p.training = true;
    nn::feature_map d_logits;
    const nn::batch_result result = nn::softmax_cross_entropy(network.forward(images, p), labels, &d_logits, smoothing);
    network.backward(d_logits, nullptr, p);
    optimizer.step(rate, p.exec);
    return result;
}

/// Share of the images, 0 .. 1, whose largest logit is that of their label; batch norm uses its running statistics.
inline double accuracy(nn::sequential& network, const nn::feature_map& images, std::span<const std::uint8_t> labels,
                       executor_ref exec = {}) {
    const nn::batch_result result = nn::softmax_cross_entropy(network.forward(images, {.exec = exec}), labels, nullptr);
    return in_float_environment([&] {
        return labels.empty() ? 0.0 : static_cast<double>(result.correct) / static_cast<double>(labels.size());
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::optim
