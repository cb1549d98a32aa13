// SPDX-License-Identifier: Apache-2.0
#pragma once

// Convolution and linear layer, forward and gradients:
//
//   out      = filters of weight on the input (conv/geometry.hpp), + bias(o)
//   d_in     = the transposed product of d_out and weight
//   d_weight = the product of d_out and the input, summed over pixels
//   d_bias   = d_out summed over pixels
//
// Their scalar meaning is conv/reference.hpp's in FP32: each output one sequence of fused multiply-adds, in a stated
// order. The kernels equal it bit for bit, so a network of any size is computed by them; `scalar` asks for the text.
// The bias is added to the finished sum; d_bias is summed in double, pixel by pixel. A linear layer is the convolution
// of one tap on images of one pixel.

#include <cstddef>
#include <span>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/reference.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/presets.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

struct product_mode {
    executor_ref exec = {};
    bool scalar = false; ///< by the scalar text instead of the kernels: the same bits, slowly
};

namespace detail {

inline std::span<const float> input_of(const conv_geometry& g, const float* x) {
    return {x, static_cast<std::size_t>(g.in_pixels() * g.in_channels)};
}
inline std::span<const float> weights_of(const conv_geometry& g, const float* w) {
    return {w, static_cast<std::size_t>(g.out_channels * g.filter_size())};
}
inline std::span<const float> output_of(const conv_geometry& g, const float* y) {
    return {y, static_cast<std::size_t>(g.out_pixels() * g.out_channels)};
}

} // namespace detail

/// `bias` is null where there is none.
inline void product(const conv_geometry& g, const float* in, const float* weight, const float* bias, float* out,
                    const product_mode& mode = {}) {
    const float_environment scope;
    const auto x = detail::input_of(g, in), w = detail::weights_of(g, weight);
    const rhs_view<fp32> filter{
        .values = filter_matrix(g, w), .scale = 1, .plane_stride = static_cast<dim_t>(w.size())};
    const matrix_view<float> result{out, g.out_pixels(), g.out_channels};
    if (mode.scalar)
        reference_conv_forward<fp32>(g, x, 1, filter, result);
    else
        conv_forward<fp32>(g, x, 1, pack_filter<fp32>(g, filter, rhs_storage::fast, mode.exec), result, epilogue<>{},
                           mode.exec);
    if (!bias) return;
    for (dim_t p = 0; p < g.out_pixels(); ++p)
        for (dim_t o = 0; o < g.out_channels; ++o) out[p * g.out_channels + o] += bias[o];
}

/// Each of d_in, d_weight and d_bias is null where nobody needs it.
inline void product_gradient(const conv_geometry& g, const float* in, const float* weight, const float* d_out,
                             float* d_in, float* d_weight, float* d_bias, const product_mode& mode = {}) {
    const float_environment scope;
    const auto x = detail::input_of(g, in), w = detail::weights_of(g, weight), d = detail::output_of(g, d_out);
    if (d_in) {
        const matrix_view<float> result{d_in, g.in_pixels(), g.in_channels};
        if (mode.scalar)
            reference_conv_input_gradient<fp32>(g, d, 1, w, 1, result);
        else
            conv_input_gradient<fp32>(g, d, 1, w, 1, result, epilogue<>{}, mode.exec);
    }
    if (d_weight) {
        const matrix_view<float> result{d_weight, g.out_channels, g.filter_size()};
        if (mode.scalar)
            reference_conv_weight_gradient<fp32>(g, x, 1, d, 1, result);
        else
            conv_weight_gradient<fp32>(g, x, 1, d, 1, result, mode.exec);
    }
    if (d_bias) {
        std::vector<double> sums(static_cast<std::size_t>(g.out_channels), 0.0);
        for (dim_t p = 0; p < g.out_pixels(); ++p)
            for (dim_t o = 0; o < g.out_channels; ++o)
                sums[static_cast<std::size_t>(o)] += static_cast<double>(d_out[p * g.out_channels + o]);
        for (dim_t o = 0; o < g.out_channels; ++o) d_bias[o] = static_cast<float>(sums[static_cast<std::size_t>(o)]);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
