// SPDX-License-Identifier: Apache-2.0
#pragma once

// Local response norm over the channels of each pixel:
//
//   s(c) = k + alpha / size * sum of in(j)^2,   j from c - size / 2 to c + (size - 1) / 2 within the channels
//   out(c) = in(c) s(c)^-beta
//
//   d_in(i) = d_out(i) s(i)^-beta - 2 alpha beta / size * in(i) * sum of d_out(c) in(c) s(c)^(-beta - 1)
//
// the sum over those c whose window has i. In double, each result rounded once.

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/operations.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

namespace detail {

/// s of a channel.
inline double response_sum(const op::local_response_norm& n, const float* in, dim_t channels, dim_t c) {
    double sum = 0;
    const dim_t last = std::min(c + (n.size - 1) / 2, channels - 1);
    for (dim_t j = std::max<dim_t>(c - n.size / 2, 0); j <= last; ++j)
        sum += static_cast<double>(in[j]) * static_cast<double>(in[j]);
    return n.k + n.alpha / static_cast<double>(n.size) * sum;
}

} // namespace detail

inline void local_response_norm(const op::local_response_norm& n, const float* in, dim_t pixels, dim_t channels,
                                float* out) {
    for (dim_t p = 0; p < pixels; ++p, in += channels, out += channels) {
        for (dim_t c = 0; c < channels; ++c)
            out[c] = static_cast<float>(static_cast<double>(in[c]) *
                                        std::pow(detail::response_sum(n, in, channels, c), -n.beta));
    }
}

inline void local_response_norm_gradient(const op::local_response_norm& n, const float* in, dim_t pixels,
                                         dim_t channels, const float* d_out, float* d_in) {
    std::vector<double> s(static_cast<std::size_t>(channels));
    for (dim_t p = 0; p < pixels; ++p, in += channels, d_out += channels, d_in += channels) {
        for (dim_t c = 0; c < channels; ++c) s[static_cast<std::size_t>(c)] = detail::response_sum(n, in, channels, c);
        for (dim_t i = 0; i < channels; ++i) {
            double sum = 0;
            const dim_t last = std::min(i + n.size / 2, channels - 1);
            for (dim_t c = std::max<dim_t>(i - (n.size - 1) / 2, 0); c <= last; ++c)
                sum += static_cast<double>(d_out[c]) * static_cast<double>(in[c]) *
                       std::pow(s[static_cast<std::size_t>(c)], -n.beta - 1);
            const double own = static_cast<double>(d_out[i]) * std::pow(s[static_cast<std::size_t>(i)], -n.beta);
            d_in[i] = static_cast<float>(own - 2 * n.alpha * n.beta / static_cast<double>(n.size) *
                                                   static_cast<double>(in[i]) * sum);
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
