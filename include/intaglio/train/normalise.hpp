// SPDX-License-Identifier: Apache-2.0
#pragma once

// Batch normalisation with what follows it, on stored tensors (storage.hpp). Forward, per channel c over the pixels of
// a batch (PyTorch's BatchNorm2d):
//
//   mean = avg y,   variance = avg y^2 - mean^2,
//   scale = gamma / sqrt(variance + epsilon),   shift = beta - mean scale
//   out = rectify(y scale + shift + shortcut)                  one pass over y (and the shortcut)
//
// Backward, with d the gradient before the rectifier (who writes it masks it, gradient.hpp), x = (y - mean) /
// sqrt(variance + epsilon) and averages over the pixels:
//
//   d_beta = sum d,   d_gamma = sum d x
//   d_y = scale (d - avg d - x avg(d x))  =  d a + y b + k
//   with  a = scale,   b = -scale avg(d x) / sqrt(variance + epsilon),   k = -a avg d - b mean
//
// Frozen statistics are constants: b = k = 0. Sums of int16 tensors are sums of integers and exact, those of floats are
// doubles in a fixed order.

#include <cmath>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/nn/reference/batch_norm.hpp"
#include "intaglio/train/gradient.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// The part of a normalisation that a step remembers.
template <class T>
struct norm_state {
    channel_walk walk;
    nn::reference::norm_statistics statistics; ///< of this batch, or the frozen ones
    buffer<float> a, b, k;                     ///< per element of a period
    buffer<sum_of<T>> partial;

    explicit norm_state(dim_t channels) : walk(channels), a(walk.period()), b(walk.period()), k(walk.period()) {
        statistics.mean.resize(static_cast<std::size_t>(channels));
        statistics.variance.resize(static_cast<std::size_t>(channels));
    }

    dim_t channels() const { return walk.channels; }
};

namespace detail {
/// Lays out coefficients of channels for a period: f(c) gives a struct or array {a, b, k}.
template <class T, class F>
void set_coefficients(norm_state<T>& s, const F& f) {
    for (dim_t c = 0; c < s.channels(); ++c) {
        const auto [a, b, k] = f(static_cast<std::size_t>(c));
        for (dim_t p = 0; p < s.walk.pixels; ++p) {
            const dim_t e = p * s.channels() + c;
            s.a[e] = static_cast<float>(a);
            s.b[e] = static_cast<float>(b);
            s.k[e] = static_cast<float>(k);
        }
    }
}
struct coefficients {
    double a, b, k;
};
} // namespace detail

/// mean and variance (biased) of y's channels.
template <class T>
void batch_statistics(const stored<T>& y, const channel_walk& walk, nn::reference::norm_statistics& to,
                      buffer<sum_of<T>>& partial, executor_ref exec) {
    using sum = sum_of<T>;
    const dim_t period = walk.period();
    std::vector<double> sums(static_cast<std::size_t>(2 * walk.channels));
    sum_pass<2>(y.size, walk, exec, sums.data(), partial, [&](dim_t first, dim_t count, sum* __restrict sums_of) {
        const T* __restrict const q = y.data + first;
        if constexpr (std::is_same_v<T, float>)
            for (dim_t i = 0; i < count; ++i) {
                const auto v = static_cast<double>(q[i]);
                sums_of[i] += v;
                sums_of[period + i] += v * v;
            }
        else
            for (dim_t i = 0; i < count; ++i) {
                const std::int32_t v = q[i];
                sums_of[i] += v;
                sums_of[period + i] += v * v;
            }
    });
    const double unit = static_cast<double>(y.unit()), pixels = static_cast<double>(walk.pixels_of(y.size));
    for (std::size_t c = 0; c < to.mean.size(); ++c) {
        const double mean = sums[c] / pixels, square = sums[to.mean.size() + c] / pixels;
        to.mean[c] = mean * unit;
        const double difference = square - mean * mean;
        to.variance[c] = (difference < 0 ? 0.0 : difference) * unit * unit; // NaN stays NaN
    }
}

/// out = rectify(y scale + shift + shortcut) from the statistics; `shortcut` may be null.
template <class T>
void normalise(const stored<T>& y, norm_state<T>& s, const float* gamma, const float* beta, double epsilon,
               const stored<T>* shortcut, bool rectify, stored<T>& out, dfp_spec spec, std::string_view name,
               executor_ref exec) {
    const double unit = static_cast<double>(y.unit());
    detail::set_coefficients(s, [&](std::size_t c) {
        const double scale = static_cast<double>(gamma[c]) / std::sqrt(s.statistics.variance[c] + epsilon);
        return detail::coefficients{scale * unit, 0, static_cast<double>(beta[c]) - s.statistics.mean[c] * scale};
    });
    const float* const a = s.a.data();
    const float* const k = s.k.data();
    const auto run = [&](auto adds, auto rectifies) {
        const float other = adds ? shortcut->unit() : 0.0F;
        store_pass(out, s.walk, spec, name, exec, [&](dim_t first, dim_t count, dim_t place, float* __restrict v) {
            const T* __restrict const q = y.data + first;
            const T* __restrict const r = adds ? shortcut->data + first : nullptr;
            for (dim_t i = 0; i < count; ++i) {
                float x = static_cast<float>(q[i]) * a[place + i] + k[place + i];
                if constexpr (adds) x += static_cast<float>(r[i]) * other;
                if constexpr (rectifies) x = x < 0.0F ? 0.0F : x;
                v[i] = x;
            }
        });
    };
    if (shortcut && rectify)
        run(std::true_type{}, std::true_type{});
    else if (shortcut)
        run(std::true_type{}, std::false_type{});
    else if (rectify)
        run(std::false_type{}, std::true_type{});
    else
        run(std::false_type{}, std::false_type{});
}

/// The sums of the gradient: d_gamma and d_beta, from d (masked already) and y.
template <class T>
void normalise_sums(const stored<T>& d, const stored<T>& y, norm_state<T>& s, double epsilon, float* d_gamma,
                    float* d_beta, executor_ref exec) {
    using sum = sum_of<T>;
    const dim_t period = s.walk.period();
    std::vector<double> sums(static_cast<std::size_t>(2 * s.channels()));
    sum_pass<2>(y.size, s.walk, exec, sums.data(), s.partial, [&](dim_t first, dim_t count, sum* __restrict to) {
        const T* __restrict const g = d.data + first;
        const T* __restrict const q = y.data + first;
        using wide = std::conditional_t<std::is_same_v<T, float>, double, std::int32_t>;
        for (dim_t i = 0; i < count; ++i) {
            const auto v = static_cast<wide>(g[i]);
            to[i] += v;
            to[period + i] += v * static_cast<wide>(q[i]);
        }
    });
    const auto unit = static_cast<double>(d.unit()), y_unit = static_cast<double>(y.unit());
    for (std::size_t c = 0; c < s.statistics.mean.size(); ++c) {
        const double d_sum = sums[c] * unit, product = sums[s.statistics.mean.size() + c] * unit * y_unit;
        d_beta[c] = static_cast<float>(d_sum);
        d_gamma[c] = static_cast<float>((product - s.statistics.mean[c] * d_sum) /
                                        std::sqrt(s.statistics.variance[c] + epsilon));
    }
}

/// The second pass: d_y from d, y and the sums. `frozen`: the statistics did not depend on the batch.
template <class T>
void normalise_gradient(const stored<T>& d, const stored<T>& y, norm_state<T>& s, const float* gamma,
                        const float* d_gamma, const float* d_beta, double epsilon, bool frozen,
                        const gradient_target<T>& to, dfp_spec spec, std::string_view name, executor_ref exec) {
    const auto unit = static_cast<double>(d.unit()), y_unit = static_cast<double>(y.unit()),
               pixels = static_cast<double>(s.walk.pixels_of(y.size));
    detail::set_coefficients(s, [&](std::size_t c) {
        const double inverse = 1 / std::sqrt(s.statistics.variance[c] + epsilon),
                     scale = static_cast<double>(gamma[c]) * inverse;
        if (frozen) return detail::coefficients{scale * unit, 0, 0};
        const double b = -scale * inverse * static_cast<double>(d_gamma[c]) / pixels;
        const double k = -scale * static_cast<double>(d_beta[c]) / pixels - b * s.statistics.mean[c];
        return detail::coefficients{scale * unit, b * y_unit, k};
    });
    store_gradient(to, s.walk, spec, name, exec, [&](dim_t first, dim_t count, dim_t place, float* __restrict v) {
        const T* __restrict const g = d.data + first;
        const T* __restrict const q = y.data + first;
        const float* __restrict const a = s.a.data() + place;
        const float* __restrict const b = s.b.data() + place;
        const float* __restrict const k = s.k.data() + place;
        for (dim_t i = 0; i < count; ++i)
            v[i] = static_cast<float>(g[i]) * a[i] + (static_cast<float>(q[i]) * b[i] + k[i]);
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::train
