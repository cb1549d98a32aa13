// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations that take each value by itself, or only move it.
//
//   relu             out = in where in > 0 or NaN, else 0      d_in = d_out where out > 0 or NaN, else 0
//   add              out = a + b                               d_a = d_b = d_out
//   concatenate      out = all inputs' channels in turn        each input's gradient is its part of d_out
//   dropout          out = in keep / (1 - probability)         d_in = d_out keep / (1 - probability)
//   padded_shortcut  out = every stride-th pixel, between zero channels       d_in = the same places of d_out, else 0
//
// keep is 0 for an element i of a node at a step where random_bits16(seed, stream, i) < round(65536 probability). A
// flattened image is the same memory.

#include <cmath>
#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/nn/operations.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

inline void relu(const float* in, dim_t count, float* out) {
    for (dim_t i = 0; i < count; ++i) out[i] = in[i] > 0 || std::isnan(in[i]) ? in[i] : 0.0f;
}
inline void relu_gradient(const float* out, const float* d_out, dim_t count, float* d_in) {
    for (dim_t i = 0; i < count; ++i) d_in[i] = out[i] > 0 || std::isnan(out[i]) ? d_out[i] : 0.0f;
}

inline void add(const float* a, const float* b, dim_t count, float* out) {
    for (dim_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

/// Copies `channels` of each pixel, from channel `from` of `in_channels` to channel `to` of `out_channels`: one input
/// of a concatenation, or back.
inline void copy_channels(const float* in, dim_t in_channels, dim_t from, float* out, dim_t out_channels, dim_t to,
                          dim_t pixels, dim_t channels) {
    for (dim_t p = 0; p < pixels; ++p)
        for (dim_t c = 0; c < channels; ++c) out[p * out_channels + to + c] = in[p * in_channels + from + c];
}

/// Forward and backward. The stream names the node and the step (network.hpp).
inline void dropout(const op::dropout& d, const float* in, dim_t count, std::uint64_t seed, std::uint64_t stream,
                    float* out) {
    const auto threshold = static_cast<std::uint32_t>(d.probability * 65536 + 0.5);
    const auto scale = static_cast<float>(1 / (1 - d.probability));
    for (dim_t i = 0; i < count; ++i)
        out[i] = random_bits16(seed, stream, static_cast<std::uint64_t>(i)) < threshold ? 0.0f : in[i] * scale;
}

namespace detail {

/// Calls visit(place in the input, place in the output) for each value that a shortcut keeps.
template <class Visit>
void for_each_kept(const op::padded_shortcut& s, const extents& in, const extents& out, Visit&& visit) {
    for (dim_t b = 0; b < out[0]; ++b)
        for (dim_t y = 0; y < out[1]; ++y)
            for (dim_t x = 0; x < out[2]; ++x)
                for (dim_t c = 0; c < in[3]; ++c)
                    visit(((b * in[1] + y * s.stride.h) * in[2] + x * s.stride.w) * in[3] + c,
                          ((b * out[1] + y) * out[2] + x) * out[3] + s.zeros_before + c);
}

} // namespace detail

inline void padded_shortcut(const op::padded_shortcut& s, const float* in, const extents& in_shape, float* out,
                            const extents& out_shape) {
    for (dim_t i = 0; i < out_shape.size(); ++i) out[i] = 0;
    detail::for_each_kept(s, in_shape, out_shape, [&](dim_t from, dim_t to) { out[to] = in[from]; });
}
inline void padded_shortcut_gradient(const op::padded_shortcut& s, const extents& in_shape, const float* d_out,
                                     const extents& out_shape, float* d_in) {
    for (dim_t i = 0; i < in_shape.size(); ++i) d_in[i] = 0;
    detail::for_each_kept(s, in_shape, out_shape, [&](dim_t from, dim_t to) { d_in[from] = d_out[to]; });
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
