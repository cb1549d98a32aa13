// SPDX-License-Identifier: Apache-2.0
#pragma once

// The checked mode of the integer products: a sample of the outputs of each pass is computed again in 64 bits from the same
// mantissas, where no sum can overflow, and compared with `==`. A difference is an overflow (or a defect) and is counted.
//
// 64 outputs of each product, spread evenly: with a few thousand products a run checks some 10^5 sums at under 1 % of its
// time. Checking all outputs would be the scalar reference, a hundred times as slow as the kernel; the proof is in the chains
// (gemm/policy.hpp), this is the witness. FP32 products have nothing to check, the functions do nothing there.

#include <algorithm>
#include <cstdint>

#include "intaglio/conv/geometry.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/nn/conversion_counts.hpp"
#include "intaglio/nn/product_operand.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

namespace detail {
/// Calls visit(row, col) for 64 positions of the matrix, or for all where it has fewer.
template <class Visit>
void sample_positions(index rows, index cols, Visit&& visit) {
    const index size = rows * cols, samples = std::min<index>(size, 64);
    for (index i = 0; i < samples; ++i) {
        const index at = i * (size - 1) / std::max<index>(samples - 1, 1);
        visit(at / cols, at % cols);
    }
}

inline void compare_total(std::int64_t total, double scale, float bias, float computed, conversion_counts& counts) {
    ++counts.checked;
    counts.overflows += to_real(total, scale) + bias != computed;
}

/// The input pixel of output pixel `p` (a row of the output matrix) under tap (r, s), or -1 in the padding.
inline index tap_pixel(const conv_geometry& g, index p, index r, index s) {
    const index x = p % g.out_width(), y = p / g.out_width() % g.out_height(), image = p / (g.out_width() * g.out_height());
    const index in_y = y * g.stride_h + r * g.dilation_h - g.pad_h, in_x = x * g.stride_w + s * g.dilation_w - g.pad_w;
    if (in_y < 0 || in_y >= g.height || in_x < 0 || in_x >= g.width) return -1;
    return (image * g.height + in_y) * g.width + in_x;
}
} // namespace detail

/// `out` is (pixels, out_channels) of an ungrouped convolution; `bias` is per column, or null.
template <class Numerics>
void check_forward(const conv_geometry& g, const product_operand<Numerics>& in, const product_operand<Numerics>& weights,
                   const float* bias, matrix_view<float> out, conversion_counts& counts) {
    if constexpr (!std::is_same_v<Numerics, fp32_numerics>)
        detail::sample_positions(out.rows, out.cols, [&](index row, index col) {
            std::int64_t total = 0;
            for (index r = 0; r < g.kernel_h; ++r)
                for (index s = 0; s < g.kernel_w; ++s) {
                    const index pixel = detail::tap_pixel(g, row, r, s);
                    if (pixel < 0) continue;
                    const auto* const x = in.data() + pixel * g.in_channels;
                    const auto* const w = weights.data() + ((col * g.kernel_h + r) * g.kernel_w + s) * g.in_channels;
                    for (index c = 0; c < g.in_channels; ++c) total += std::int64_t{x[c]} * w[c];
                }
            detail::compare_total(total, in.scale() * weights.scale(), bias ? bias[col] : 0.0f, out(row, col), counts);
        });
}

/// `d_weight` is (out_channels, kernel_h kernel_w in_channels).
template <class Numerics>
void check_weight_gradient(const conv_geometry& g, const product_operand<Numerics>& in, const product_operand<Numerics>& d_out,
                           matrix_view<float> d_weight, conversion_counts& counts) {
    if constexpr (!std::is_same_v<Numerics, fp32_numerics>)
        detail::sample_positions(d_weight.rows, d_weight.cols, [&](index row, index col) {
            const index c = col % g.in_channels, s = col / g.in_channels % g.kernel_w, r = col / g.in_channels / g.kernel_w;
            const index pixels = g.batch * g.out_height() * g.out_width();
            std::int64_t total = 0;
            for (index p = 0; p < pixels; ++p) {
                const index pixel = detail::tap_pixel(g, p, r, s);
                if (pixel >= 0) total += std::int64_t{in.data()[pixel * g.in_channels + c]} * d_out.data()[p * g.out_channels + row];
            }
            detail::compare_total(total, in.scale() * d_out.scale(), 0.0f, d_weight(row, col), counts);
        });
}

/// `d_in` is (input pixels, in_channels).
template <class Numerics>
void check_input_gradient(const conv_geometry& g, const product_operand<Numerics>& d_out, const product_operand<Numerics>& weights,
                          matrix_view<float> d_in, conversion_counts& counts) {
    if constexpr (!std::is_same_v<Numerics, fp32_numerics>)
        detail::sample_positions(d_in.rows, d_in.cols, [&](index row, index col) {
            const index x = row % g.width, y = row / g.width % g.height, image = row / (g.width * g.height);
            std::int64_t total = 0;
            for (index r = 0; r < g.kernel_h; ++r)
                for (index s = 0; s < g.kernel_w; ++s) {
                    const index up = y + g.pad_h - r * g.dilation_h, left = x + g.pad_w - s * g.dilation_w;
                    if (up < 0 || left < 0 || up % g.stride_h || left % g.stride_w) continue;
                    const index out_y = up / g.stride_h, out_x = left / g.stride_w;
                    if (out_y >= g.out_height() || out_x >= g.out_width()) continue;
                    const auto* const d = d_out.data() + ((image * g.out_height() + out_y) * g.out_width() + out_x) * g.out_channels;
                    for (index o = 0; o < g.out_channels; ++o)
                        total += std::int64_t{d[o]} * weights.data()[((o * g.kernel_h + r) * g.kernel_w + s) * g.in_channels + col];
                }
            detail::compare_total(total, d_out.scale() * weights.scale(), 0.0f, d_in(row, col), counts);
        });
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
