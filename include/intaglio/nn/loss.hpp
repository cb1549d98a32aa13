// SPDX-License-Identifier: Apache-2.0
#pragma once

// Softmax and cross-entropy in one: with p = softmax(logits) of an image, its label l, and the target t(c) = (1 - s) [c
// = l] + s / classes,
//
//   loss = average over the batch of - sum over c of t(c) log p(c),   d_logits = (p - t) / batch.
//
// s is the label smoothing: 0 asks for certainty, a little more keeps small networks from chasing it. The largest logit
// is subtracted first, so that no exponential overflows.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/feature_map.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct batch_result {
    double loss = 0;   ///< average over the batch, in nats
    dim_t correct = 0; ///< images whose largest logit (the first of equals) is that of their label; none with a NaN
};

/// Logits (batch x 1 x 1 x classes), labels 0 .. classes - 1. Writes d_logits, of the same shape, unless it is null.
/// shape_error where there is not one label for each image; value_error for a label that is no class or a smoothing
/// outside 0 .. 1.
inline batch_result softmax_cross_entropy(const feature_map& logits, std::span<const std::uint8_t> labels,
                                          feature_map* d_logits, float smoothing = 0) {
    const float_environment scope;
    const dim_t classes = logits.channels(), batch = logits.batch();
    require(logits.pixels() == batch, "softmax_cross_entropy: expected batch x 1 x 1 x classes, got ", logits.shape());
    require(static_cast<dim_t>(labels.size()) == batch, "softmax_cross_entropy: ", batch, " images but ", labels.size(),
            " labels");
    for (std::size_t i = 0; i < labels.size(); ++i)
        require<value_error>(labels[i] < classes, "softmax_cross_entropy: label ", int{labels[i]}, " of image ", i,
                             " is not one of ", classes, " classes");
    require<value_error>(smoothing >= 0 && smoothing <= 1, "softmax_cross_entropy: a smoothing of ", smoothing,
                         ", expected 0 to 1");
    if (d_logits) d_logits->resize(logits.shape());

    batch_result result;
    for (dim_t i = 0; i < batch; ++i) {
        const float* const z = logits.data() + i * classes;
        const dim_t label = labels[static_cast<std::size_t>(i)];
        const float* const best = std::max_element(z, z + classes);
        double sum = 0;
        for (dim_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(z[c] - *best));
        result.correct += best - z == label && sum == sum;
        for (dim_t c = 0; c < classes; ++c) {
            const double target = (c == label ? 1 - static_cast<double>(smoothing) : 0.0) +
                                  static_cast<double>(smoothing) / static_cast<double>(classes);
            const double above = static_cast<double>(z[c] - *best); // log p = above - log sum
            if (target > 0) result.loss += target * (std::log(sum) - above) / static_cast<double>(batch);
            if (d_logits)
                d_logits->data()[i * classes + c] =
                    static_cast<float>((std::exp(above) / sum - target) / static_cast<double>(batch));
        }
    }
    return result;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
