// SPDX-License-Identifier: Apache-2.0
#pragma once

// Softmax cross-entropy with label smoothing, over a batch of n images and K classes:
//
//   p = exp(z - max z) / sum exp(z - max z)          z the logits of an image
//   q = (1 - smoothing) [k = label] + smoothing / K
//   loss = 1 / n sum over images of -sum over k of q_k log p_k
//   d_z = (p - q) / n
//
// In double, images and classes in order; each gradient is rounded once. Labels are of any number of classes.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/nn/operations.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

/// The loss of labels.size() images; `d_logits`, where it is not null, gets the gradient times `weight`. Throws
/// value_error for a label outside 0 .. classes - 1.
inline double softmax_cross_entropy(const op::softmax_cross_entropy& loss, const float* logits, dim_t classes,
                                    std::span<const std::int32_t> labels, float* d_logits = nullptr,
                                    double weight = 1) {
    const double n = static_cast<double>(labels.size()), even = loss.label_smoothing / static_cast<double>(classes);
    for (std::size_t i = 0; i < labels.size(); ++i)
        require<value_error>(labels[i] >= 0 && labels[i] < classes, "softmax cross-entropy: label ", labels[i],
                             " of image ", i, ", the network has ", classes, " classes");
    double sum = 0;
    for (const std::int32_t label : labels) {
        double largest = static_cast<double>(logits[0]), exponentials = 0;
        for (dim_t k = 1; k < classes; ++k) largest = std::max(largest, static_cast<double>(logits[k]));
        for (dim_t k = 0; k < classes; ++k) exponentials += std::exp(static_cast<double>(logits[k]) - largest);
        const double log_sum = std::log(exponentials);
        for (dim_t k = 0; k < classes; ++k) {
            const double log_p = static_cast<double>(logits[k]) - largest - log_sum;
            const double q = even + (k == label ? 1 - loss.label_smoothing : 0.0);
            if (q > 0) sum -= q * log_p;
            if (d_logits) d_logits[k] = static_cast<float>(weight * (std::exp(log_p) - q) / n);
        }
        logits += classes;
        if (d_logits) d_logits += classes;
    }
    return labels.empty() ? 0 : sum / n;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
