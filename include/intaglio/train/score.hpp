// SPDX-License-Identifier: Apache-2.0
#pragma once

// How well a classifier answers: images that were right at the first guess and among the first five, and the
// cross-entropy of the right class, added up image by image. Which answers are counted as right does not depend on the
// batches; the loss is added in the order of the images.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/train/cross_entropy.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct score {
    dim_t images = 0;
    dim_t correct = 0; ///< the label has the largest logit
    dim_t in_five = 0; ///< the label has one of the five largest
    double loss = 0;   ///< sum over the images of - log p(label), in nats

    double mean_loss() const { return loss / static_cast<double>(std::max<dim_t>(images, 1)); }
    /// Shares, 0 .. 1.
    double accuracy() const { return static_cast<double>(correct) / static_cast<double>(std::max<dim_t>(images, 1)); }
    double accuracy_in_five() const {
        return static_cast<double>(in_five) / static_cast<double>(std::max<dim_t>(images, 1));
    }

    /// Adds images: `logits` of labels.size() x classes. Of equal logits the one of the lower class counts as larger;
    /// an image with a NaN among its logits is wrong. Throws as softmax_cross_entropy does.
    void add(std::span<const float> logits, std::span<const std::int32_t> labels) {
        if (labels.empty()) return;
        loss += softmax_cross_entropy(logits, labels, 0, 1, {}, "score").loss * static_cast<double>(labels.size());
        const std::size_t classes = logits.size() / labels.size();
        for (std::size_t i = 0; i < labels.size(); ++i) {
            const std::span<const float> z = logits.subspan(i * classes, classes);
            const auto label = static_cast<std::size_t>(labels[i]);
            dim_t before = 0; // classes that are guessed earlier
            for (std::size_t c = 0; c < classes; ++c)
                before += z[c] > z[label] || (c < label && z[c] == z[label]) ? 1 : 0;
            const bool numbers = std::none_of(z.begin(), z.end(), [](float v) { return v != v; });
            correct += numbers && before == 0;
            in_five += numbers && before < 5;
        }
        images += static_cast<dim_t>(labels.size());
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::train
