// SPDX-License-Identifier: Apache-2.0
#pragma once

// Local response normalisation across channels, on stored tensors (Krizhevsky et al. 2012, section 3.3; alpha as
// PyTorch counts it). With s(c) = k + alpha / size * sum of x(j)^2 over the channels j around c:
//
//   out(c) = x(c) s(c)^-beta
//   d_x(c) = d(c) s(c)^-beta - 2 alpha beta / size * x(c) * sum of d(j) x(j) s(j)^(-beta-1)
//
// over the j whose s(j) has x(c).

#include <cmath>

#include "intaglio/train/pixels.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct response_norm {
    dim_t size = 5;
    float alpha = 1e-4F, beta = 0.75F, k = 1;

    dim_t before() const { return size / 2; }
    dim_t behind() const { return (size - 1) / 2; }

    /// s of channels c0 .. c1 - 1 of a pixel.
    template <class T>
    void sums(const T* pixel, float unit, dim_t channels, dim_t c0, dim_t c1, float* s) const {
        for (dim_t c = c0; c < c1; ++c) {
            float squares = 0;
            for (dim_t j = std::max<dim_t>(0, c - before()); j < std::min(channels, c + behind() + 1); ++j) {
                const float x = static_cast<float>(pixel[j]) * unit;
                squares += x * x;
            }
            s[c - c0] = k + alpha / static_cast<float>(size) * squares;
        }
    }
    /// s^-beta; by square roots, which round alike everywhere, for the usual 3/4.
    float power(float s) const {
        if (beta == 0.75F) return 1.0F / (std::sqrt(s) * std::sqrt(std::sqrt(s)));
        return static_cast<float>(std::pow(static_cast<double>(s), -static_cast<double>(beta)));
    }
};

template <class T>
void normalise_responses(const stored<T>& in, const map_shape& map, const response_norm& norm, stored<T>& out,
                         dfp_spec spec, std::string_view name, executor_ref exec) {
    gather_pass<T>(map, {.d = &out}, spec, name, exec,
                   [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
                       const T* const q = in.data + map.pixel(b, y, x);
                       norm.sums(q, in.unit(), map.channels, c0, c1, v);
                       for (dim_t c = c0; c < c1; ++c)
                           v[c - c0] = static_cast<float>(q[c]) * in.unit() * norm.power(v[c - c0]);
                   });
}

template <class T>
void response_norm_gradient(const stored<T>& d_out, const stored<T>& in, const map_shape& map,
                            const response_norm& norm, const gradient_target<T>& to, dfp_spec spec,
                            std::string_view name, executor_ref exec) {
    gather_pass<T>(map, to, spec, name, exec, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
        const T* const q = in.data + map.pixel(b, y, x);
        const T* const d = d_out.data + map.pixel(b, y, x);
        const float unit = in.unit(), d_unit = d_out.unit();
        // of the channels whose sums have those of the run
        const dim_t from = std::max<dim_t>(0, c0 - norm.behind()), end = std::min(map.channels, c1 + norm.before());
        float s[longest_piece + 256], products[longest_piece + 256];
        norm.sums(q, unit, map.channels, from, end, s);
        for (dim_t j = from; j < end; ++j) {
            const float power = norm.power(s[j - from]);
            products[j - from] =
                static_cast<float>(d[j]) * d_unit * (static_cast<float>(q[j]) * unit) * power / s[j - from];
            s[j - from] = power;
        }
        const float factor = 2 * norm.alpha * norm.beta / static_cast<float>(norm.size);
        for (dim_t c = c0; c < c1; ++c) {
            float sum = 0;
            for (dim_t j = std::max(from, c - norm.behind()); j < std::min(end, c + norm.before() + 1); ++j)
                sum += products[j - from];
            v[c - c0] =
                static_cast<float>(d[c]) * d_unit * s[c - from] - factor * (static_cast<float>(q[c]) * unit) * sum;
        }
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::train
