// SPDX-License-Identifier: Apache-2.0
#pragma once

// The training half of the quickstart: one recipe for both storage types, the same seeds, the same batches. Nothing
// here depends on the test images.

#include <cstdint>

#include "intaglio/core/parallel.hpp"
#include "intaglio/data/digits.hpp"
#include "intaglio/nn/parameters.hpp"

namespace quickstart {

using intaglio::executor_ref;

/// Chosen on a fifth of the training images that was held out; the test images had no part in it.
struct recipe {
    intaglio::dim_t epochs = 30;
    intaglio::dim_t batch = 32;
    double rate = 0.1;     ///< at the end of the first epoch, which warms up; a cosine to zero from there
    float momentum = 0.9f; ///< Nesterov's
    float weight_decay = 2e-3f;
    double label_smoothing = 0.1; ///< halves the errors on the held-out images and the spread between seeds
    std::uint64_t seed = 1;
};

/// What INT16 lost on the way, summed over the steps that were watched: the first of every fifth epoch.
struct losses {
    std::int64_t values = 0, clipped = 0, flushed_to_zero = 0; ///< turned into mantissas; of them
    std::int64_t chains = 0, overflows = 0; ///< sums of products that were computed again in 64 bits; that differed
};

struct trained {
    intaglio::nn::parameters parameters; ///< of models::digits_cnn
    double test_accuracy = 0;            ///< 0 .. 1
    losses lost;
    double seconds = 0;      ///< of training, without the steps that were watched and the test
    double ms_per_image = 0; ///< batches as in training, best of seven runs
};

/// Trains the digits network from scratch in FP32, or in INT16 dynamic fixed point, and tests it.
trained train_fp32(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec);
trained train_dfp16(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec);

} // namespace quickstart
