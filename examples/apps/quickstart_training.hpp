// SPDX-License-Identifier: Apache-2.0
#pragma once

// The training half of the quickstart: one recipe for both numerics, the same seeds, the same batches. Nothing here
// depends on the test images.

#include <cstdint>

#include "intaglio/core/parallel.hpp"
#include "intaglio/data/digits.hpp"
#include "intaglio/nn/sequential.hpp"

namespace quickstart {

using intaglio::executor_ref;

/// Chosen on a fifth of the training images that was held out; the test images had no part in it.
struct recipe {
    intaglio::dim_t epochs = 30;
    intaglio::dim_t batch = 32;
    float rate = 0.1f;     ///< at the end of the first epoch, which warms up; a cosine to zero from there
    float momentum = 0.9f; ///< Nesterov's
    float weight_decay = 2e-3f;
    float label_smoothing = 0.1f; ///< halves the errors on the held-out images and the spread between seeds
    std::uint64_t seed = 1;
};

struct trained {
    intaglio::nn::sequential network;
    intaglio::nn::conversion_counts counts;
    std::int64_t sums_checked = 0; ///< sums of integer products that were computed again in 64 bits
    std::int64_t overflows = 0;    ///< those that differed
    double test_accuracy = 0;      ///< 0 .. 1
    double seconds = 0;            ///< of training, without the audited steps and the test
};

/// Trains the digits network from scratch in FP32, or in INT16 dynamic fixed point, and tests it.
trained train_fp32(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec);
trained train_dfp16(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec);

} // namespace quickstart
