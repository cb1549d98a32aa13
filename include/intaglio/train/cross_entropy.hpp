// SPDX-License-Identifier: Apache-2.0
#pragma once

// Softmax and cross-entropy in one (nn::op::softmax_cross_entropy): with p = softmax(logits) of an image and the target
// q_c = (1 - s) [c = label] + s / classes, s the label smoothing,
//
//   loss = average over the batch of - sum over c of q_c log p_c,   d_logits = weight (p - q) / batch.
//
// In double, image by image; the largest logit is subtracted first, so that no exponential overflows. The exponential
// is the standard library's: results have the same bits wherever that is the same.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct batch_result {
    double loss = 0;   ///< average over the batch, in nats
    dim_t correct = 0; ///< images whose largest logit (the first of equals) is that of their label; none with a NaN
};

/// `logits`: batch x classes. Writes d_logits, of the same size, unless it is empty. shape_error where the sizes do not
/// fit, value_error for a label that is no class; `name` is that of the output.
inline batch_result softmax_cross_entropy(std::span<const float> logits, std::span<const std::int32_t> labels,
                                          double smoothing, double weight, std::span<float> d_logits,
                                          std::string_view name) {
    const float_environment scope;
    require(!labels.empty() && logits.size() % labels.size() == 0, name, ": ", labels.size(), " labels for ",
            logits.size(), " logits");
    require(d_logits.empty() || d_logits.size() == logits.size(), name, ": ", logits.size(), " logits but ",
            d_logits.size(), " gradients");
    const std::size_t batch = labels.size(), classes = logits.size() / batch;
    for (std::size_t i = 0; i < batch; ++i)
        require<value_error>(labels[i] >= 0 && static_cast<std::size_t>(labels[i]) < classes, name, ": label ",
                             labels[i], " of image ", i, " is not one of ", classes, " classes");
    batch_result result;
    for (std::size_t i = 0; i < batch; ++i) {
        const float* const z = logits.data() + i * classes;
        const auto label = static_cast<std::size_t>(labels[i]);
        const float* const best = std::max_element(z, z + classes);
        const auto top = static_cast<double>(*best);
        double sum = 0;
        for (std::size_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(z[c]) - top);
        result.correct += best == z + label && sum == sum;
        for (std::size_t c = 0; c < classes; ++c) {
            const double target = (c == label ? 1 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
            const double above = static_cast<double>(z[c]) - top; // log p = above - log sum
            if (target > 0) result.loss += target * (std::log(sum) - above) / static_cast<double>(batch);
            if (!d_logits.empty())
                d_logits[i * classes + c] =
                    static_cast<float>(weight * (std::exp(above) / sum - target) / static_cast<double>(batch));
        }
    }
    return result;
}

} // namespace intaglio::inline INTAGLIO_ABI::train
