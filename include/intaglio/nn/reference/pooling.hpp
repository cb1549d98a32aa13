// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pooling: for each output pixel the window of the input that pool_window.hpp gives, rows and columns apart.
//
//   max      out = the largest value of the window: the first of equals, rows before columns, but a NaN above all (the
//            last of several); d_in: d_out goes to that pixel
//   average  out = sum over the window / count; d_in: d_out / count goes to each of its pixels
//
// Sums in double, in the order of the windows; each result is rounded once.

#include <cmath>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/nn/operations.hpp"
#include "intaglio/nn/pool_window.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

namespace detail {

/// Calls visit(output element, y, x, image, channel) for every output, y and x its windows. `rows(i)` and `cols(i)` are
/// window i of an axis.
template <class Rows, class Cols, class Visit>
void for_each_window(const extents& out, Rows&& rows, Cols&& cols, Visit&& visit) {
    dim_t at = 0;
    for (dim_t b = 0; b < out[0]; ++b)
        for (dim_t i = 0; i < out[1]; ++i)
            for (dim_t j = 0; j < out[2]; ++j)
                for (dim_t c = 0; c < out[3]; ++c) visit(at++, rows(i), cols(j), b, c);
}

/// The position in an activation of shape `s`.
inline dim_t position(const extents& s, dim_t b, dim_t y, dim_t x, dim_t c) {
    return ((b * s[1] + y) * s[2] + x) * s[3] + c;
}

template <class Pool, class Visit>
void for_each_pool_window(const Pool& p, const extents& in, const extents& out, Visit&& visit) {
    for_each_window(
        out, [&](dim_t i) { return window_at(i, in[1], p.kernel.h, p.stride.h, p.padding.h); },
        [&](dim_t j) { return window_at(j, in[2], p.kernel.w, p.stride.w, p.padding.w); }, visit);
}
template <class Visit>
void for_each_pool_window(const op::adaptive_average_pool& p, const extents& in, const extents& out, Visit&& visit) {
    for_each_window(
        out, [&](dim_t i) { return adaptive_window_at(i, in[1], p.size.h); },
        [&](dim_t j) { return adaptive_window_at(j, in[2], p.size.w); }, visit);
}

/// Where the largest value of a window lies.
inline dim_t largest_of(const float* in, const extents& s, const pool_window& y, const pool_window& x, dim_t b,
                        dim_t c) {
    dim_t best = position(s, b, y.begin, x.begin, c);
    for (dim_t h = y.begin; h < y.end; ++h)
        for (dim_t w = x.begin; w < x.end; ++w) {
            const dim_t at = position(s, b, h, w, c);
            if (in[at] > in[best] || std::isnan(in[at])) best = at;
        }
    return best;
}

inline dim_t divisor(const op::average_pool& p, const pool_window& y, const pool_window& x) {
    return p.count_include_pad ? y.padded * x.padded : (y.end - y.begin) * (x.end - x.begin);
}
inline dim_t divisor(const op::adaptive_average_pool&, const pool_window& y, const pool_window& x) {
    return (y.end - y.begin) * (x.end - x.begin);
}

} // namespace detail

inline void max_pool(const op::max_pool& p, const float* in, const extents& in_shape, float* out,
                     const extents& out_shape) {
    detail::for_each_pool_window(p, in_shape, out_shape,
                                 [&](dim_t o, const pool_window& y, const pool_window& x, dim_t b, dim_t c) {
                                     out[o] = in[detail::largest_of(in, in_shape, y, x, b, c)];
                                 });
}

inline void max_pool_gradient(const op::max_pool& p, const float* in, const extents& in_shape, const float* d_out,
                              const extents& out_shape, float* d_in) {
    std::vector<double> sums(static_cast<std::size_t>(in_shape.size()), 0.0);
    detail::for_each_pool_window(p, in_shape, out_shape,
                                 [&](dim_t o, const pool_window& y, const pool_window& x, dim_t b, dim_t c) {
                                     sums[static_cast<std::size_t>(detail::largest_of(in, in_shape, y, x, b, c))] +=
                                         static_cast<double>(d_out[o]);
                                 });
    for (dim_t i = 0; i < in_shape.size(); ++i) d_in[i] = static_cast<float>(sums[static_cast<std::size_t>(i)]);
}

/// For op::average_pool and op::adaptive_average_pool.
template <class Pool>
void average_pool(const Pool& p, const float* in, const extents& in_shape, float* out, const extents& out_shape) {
    detail::for_each_pool_window(p, in_shape, out_shape,
                                 [&](dim_t o, const pool_window& y, const pool_window& x, dim_t b, dim_t c) {
                                     double sum = 0;
                                     for (dim_t h = y.begin; h < y.end; ++h)
                                         for (dim_t w = x.begin; w < x.end; ++w)
                                             sum += static_cast<double>(in[detail::position(in_shape, b, h, w, c)]);
                                     out[o] = static_cast<float>(sum / static_cast<double>(detail::divisor(p, y, x)));
                                 });
}

template <class Pool>
void average_pool_gradient(const Pool& p, const extents& in_shape, const float* d_out, const extents& out_shape,
                           float* d_in) {
    std::vector<double> sums(static_cast<std::size_t>(in_shape.size()), 0.0);
    detail::for_each_pool_window(
        p, in_shape, out_shape, [&](dim_t o, const pool_window& y, const pool_window& x, dim_t b, dim_t c) {
            const double share = static_cast<double>(d_out[o]) / static_cast<double>(detail::divisor(p, y, x));
            for (dim_t h = y.begin; h < y.end; ++h)
                for (dim_t w = x.begin; w < x.end; ++w)
                    sums[static_cast<std::size_t>(detail::position(in_shape, b, h, w, c))] += share;
        });
    for (dim_t i = 0; i < in_shape.size(); ++i) d_in[i] = static_cast<float>(sums[static_cast<std::size_t>(i)]);
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
