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

#include "intaglio/simd/square_root.hpp"
#include "intaglio/train/pixels.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct response_norm {
    dim_t size = 5;
    float alpha = 1e-4F, beta = 0.75F, k = 1;

    dim_t before() const { return size / 2; }
    dim_t behind() const { return (size - 1) / 2; }

    /// s of channels c0 .. c1 - 1 of a pixel. The squares of a window are added in ascending order, one channel of it
    /// for all windows at a time.
    template <class T>
    void sums(const T* __restrict pixel, float unit, dim_t channels, dim_t c0, dim_t c1, float* __restrict s) const {
        float squares[longest_run];
        const dim_t first = std::max<dim_t>(0, c0 - before()), last = std::min(channels, c1 + behind());
        for (dim_t j = first; j < last; ++j) {
            const float x = static_cast<float>(pixel[j]) * unit;
            squares[j - first] = x * x;
        }
        add_shifted(squares, first, last, -before(), behind(), c0, c1, s);
        const float share = alpha / static_cast<float>(size);
        for (dim_t c = 0; c < c1 - c0; ++c) s[c] = k + share * s[c];
    }
    /// sum[c - c0] = sum of values[j - first] over j = c + from .. c + to, those of first .. last - 1.
    static void add_shifted(const float* __restrict values, dim_t first, dim_t last, dim_t from, dim_t to, dim_t c0,
                            dim_t c1, float* __restrict sum) {
        std::fill_n(sum, c1 - c0, 0.0F);
        for (dim_t shift = from; shift <= to; ++shift) {
            const float* const v = values + (shift - first);
            for (dim_t c = std::max(c0, first - shift); c < std::min(c1, last - shift); ++c) sum[c - c0] += v[c];
        }
    }
    /// v = v^-beta; by square roots, which round alike everywhere, for the usual 3/4.
    void powers(float* __restrict v, dim_t count) const {
        if (beta != 0.75F) {
            for (dim_t i = 0; i < count; ++i)
                v[i] = static_cast<float>(std::pow(static_cast<double>(v[i]), -static_cast<double>(beta)));
            return;
        }
        float roots[longest_run];
        simd::square_roots(v, count);
        std::copy_n(v, count, roots);
        simd::square_roots(roots, count);
        for (dim_t i = 0; i < count; ++i) v[i] = 1.0F / (v[i] * roots[i]);
    }

    /// A run of channels with those around it that its windows, and theirs, reach.
    static constexpr dim_t longest_run = longest_piece + 512;
};

template <class T>
void normalise_responses(const stored<T>& in, const map_shape& map, const response_norm& norm, stored<T>& out,
                         dfp_spec spec, std::string_view name, executor_ref exec) {
    gather_pass<T>(map, {.d = &out}, spec, name, exec,
                   [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
                       const T* const q = in.data + map.pixel(b, y, x);
                       norm.sums(q, in.unit(), map.channels, c0, c1, v);
                       norm.powers(v, c1 - c0);
                       const float unit = in.unit();
                       for (dim_t c = c0; c < c1; ++c) v[c - c0] *= static_cast<float>(q[c]) * unit;
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
        float s[response_norm::longest_run], powers[response_norm::longest_run], products[response_norm::longest_run];
        const dim_t count = end - from;
        norm.sums(q, unit, map.channels, from, end, s);
        std::copy_n(s, count, powers);
        norm.powers(powers, count);
        for (dim_t j = 0; j < count; ++j)
            products[j] =
                static_cast<float>(d[from + j]) * d_unit * (static_cast<float>(q[from + j]) * unit) * powers[j] / s[j];
        norm.add_shifted(products, from, end, -norm.behind(), norm.before(), c0, c1, v);
        const float factor = 2 * norm.alpha * norm.beta / static_cast<float>(norm.size);
        for (dim_t c = c0; c < c1; ++c)
            v[c - c0] = static_cast<float>(d[c]) * d_unit * powers[c - from] -
                        factor * (static_cast<float>(q[c]) * unit) * v[c - c0];
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::train
