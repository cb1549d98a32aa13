// SPDX-License-Identifier: Apache-2.0
#pragma once

// Batch norm. For each channel, with n pixels in the batch,
//
//   mean = sum in / n,   variance = sum (in - mean)^2 / n,   x = (in - mean) / sqrt(variance + epsilon)
//   out  = weight x + bias
//
// where mean and variance are the batch's in training, and the running ones otherwise. Then the running ones move:
//
//   running = (1 - momentum) running + momentum batch       with the unbiased variance, sum / (n - 1)
//
// Gradients, with averages over the n pixels:
//
//   d_weight = sum d_out x,   d_bias = sum d_out
//   training    d_in = weight / sqrt(variance + epsilon) (d_out - avg(d_out) - x avg(d_out x))
//   otherwise   d_in = weight / sqrt(variance + epsilon) d_out
//
// All in double, pixel by pixel; each result is rounded once. A batch of one pixel has no unbiased variance: the
// running one stays as it is; so do both after a batch of none.

#include <cmath>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/operations.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

/// What a pass normalises with, for each channel.
struct norm_statistics {
    std::vector<double> mean, variance; ///< biased
};

/// Those of a batch of `pixels` x `channels`.
inline norm_statistics batch_statistics(const float* in, dim_t pixels, dim_t channels) {
    norm_statistics s{std::vector<double>(static_cast<std::size_t>(channels), 0.0),
                      std::vector<double>(static_cast<std::size_t>(channels), 0.0)};
    const double n = static_cast<double>(pixels);
    for (dim_t p = 0; p < pixels; ++p)
        for (dim_t c = 0; c < channels; ++c)
            s.mean[static_cast<std::size_t>(c)] += static_cast<double>(in[p * channels + c]);
    for (double& m : s.mean) m /= n;
    for (dim_t p = 0; p < pixels; ++p)
        for (dim_t c = 0; c < channels; ++c) {
            const auto at = static_cast<std::size_t>(c);
            const double d = static_cast<double>(in[p * channels + c]) - s.mean[at];
            s.variance[at] += d * d;
        }
    for (double& v : s.variance) v /= n;
    return s;
}

inline norm_statistics running_statistics(const float* mean, const float* variance, dim_t channels) {
    return {std::vector<double>(mean, mean + channels), std::vector<double>(variance, variance + channels)};
}

/// Moves the running statistics towards those of a batch of `pixels`.
inline void move_running_statistics(const op::batch_norm& norm, const norm_statistics& batch, dim_t pixels,
                                    float* running_mean, float* running_variance) {
    if (pixels == 0) return;
    const double n = static_cast<double>(pixels), keep = 1 - norm.momentum;
    for (dim_t c = 0; c < norm.channels; ++c) {
        const auto at = static_cast<std::size_t>(c);
        running_mean[c] =
            static_cast<float>(keep * static_cast<double>(running_mean[c]) + norm.momentum * batch.mean[at]);
        if (pixels > 1)
            running_variance[c] = static_cast<float>(keep * static_cast<double>(running_variance[c]) +
                                                     norm.momentum * batch.variance[at] * n / (n - 1));
    }
}

inline void batch_norm(const op::batch_norm& norm, const norm_statistics& s, const float* in, dim_t pixels,
                       const float* weight, const float* bias, float* out) {
    for (dim_t p = 0; p < pixels; ++p)
        for (dim_t c = 0; c < norm.channels; ++c) {
            const auto at = static_cast<std::size_t>(c);
            const double x = (static_cast<double>(in[p * norm.channels + c]) - s.mean[at]) /
                             std::sqrt(s.variance[at] + norm.epsilon);
            out[p * norm.channels + c] =
                static_cast<float>(static_cast<double>(weight[c]) * x + static_cast<double>(bias[c]));
        }
}

/// `training`: the statistics are the batch's own. Each of d_in, d_weight and d_bias is null where nobody needs it.
inline void batch_norm_gradient(const op::batch_norm& norm, const norm_statistics& s, bool training, const float* in,
                                dim_t pixels, const float* weight, const float* d_out, float* d_in, float* d_weight,
                                float* d_bias) {
    const dim_t channels = norm.channels;
    const double n = static_cast<double>(pixels);
    std::vector<double> sum(static_cast<std::size_t>(channels), 0.0), sum_x = sum;
    const auto normal = [&](dim_t p, dim_t c) {
        const auto at = static_cast<std::size_t>(c);
        return (static_cast<double>(in[p * channels + c]) - s.mean[at]) / std::sqrt(s.variance[at] + norm.epsilon);
    };
    for (dim_t p = 0; p < pixels; ++p)
        for (dim_t c = 0; c < channels; ++c) {
            const double d = static_cast<double>(d_out[p * channels + c]);
            sum[static_cast<std::size_t>(c)] += d;
            sum_x[static_cast<std::size_t>(c)] += d * normal(p, c);
        }
    for (dim_t c = 0; c < channels; ++c) {
        if (d_weight) d_weight[c] = static_cast<float>(sum_x[static_cast<std::size_t>(c)]);
        if (d_bias) d_bias[c] = static_cast<float>(sum[static_cast<std::size_t>(c)]);
    }
    if (!d_in) return;
    for (dim_t p = 0; p < pixels; ++p)
        for (dim_t c = 0; c < channels; ++c) {
            const auto at = static_cast<std::size_t>(c);
            double d = static_cast<double>(d_out[p * channels + c]);
            if (training) d -= sum[at] / n + normal(p, c) * sum_x[at] / n;
            d_in[p * channels + c] =
                static_cast<float>(static_cast<double>(weight[c]) / std::sqrt(s.variance[at] + norm.epsilon) * d);
        }
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
