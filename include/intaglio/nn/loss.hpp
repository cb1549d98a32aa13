// SPDX-License-Identifier: Apache-2.0
#pragma once

// Softmax and cross-entropy in one: with p = softmax(logits) of an image and its label l,
//
//   loss = average over the batch of -log p(l),   d_logits = (p - [class = l]) / batch.
//
// The largest logit is subtracted first, so that no exponential overflows.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/feature_map.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct batch_result {
    double loss = 0;   ///< average over the batch, in nats
    index correct = 0; ///< images whose largest logit (the first of equals) is that of their label
};

/// Logits (batch x 1 x 1 x classes), labels 0 .. classes - 1. Writes d_logits, of the same shape, unless it is null.
/// shape_error where there is not one label for each image; value_error for a label that is no class.
inline batch_result softmax_cross_entropy(const feature_map& logits, std::span<const std::uint8_t> labels, feature_map* d_logits) {
    const index classes = logits.channels(), batch = logits.batch();
    require(logits.pixels() == batch, "softmax_cross_entropy: expected batch x 1 x 1 x classes, got ", logits.shape());
    require(static_cast<index>(labels.size()) == batch, "softmax_cross_entropy: ", batch, " images but ", labels.size(), " labels");
    for (std::size_t i = 0; i < labels.size(); ++i)
        require<value_error>(labels[i] < classes, "softmax_cross_entropy: label ", int{labels[i]}, " of image ", i, " is not one of ", classes,
                             " classes");
    if (d_logits) d_logits->resize(logits.shape());

    batch_result result;
    for (index i = 0; i < batch; ++i) {
        const float* const z = logits.data() + i * classes;
        const index label = labels[static_cast<std::size_t>(i)];
        const float* const best = std::max_element(z, z + classes);
        double sum = 0;
        for (index c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(z[c] - *best));
        result.loss += (std::log(sum) - static_cast<double>(z[label] - *best)) / static_cast<double>(batch);
        result.correct += best - z == label;
        if (d_logits)
            for (index c = 0; c < classes; ++c)
                d_logits->data()[i * classes + c] = static_cast<float>(
                    (std::exp(static_cast<double>(z[c] - *best)) / sum - (c == label ? 1.0 : 0.0)) / static_cast<double>(batch));
    }
    return result;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
