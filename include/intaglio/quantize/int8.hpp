// SPDX-License-Identifier: Apache-2.0
#pragma once

// The 8-bit formats of inference: weights with a scale for each output channel, activations with one scale for the
// tensor, taken from a given range.
//
//   weights      w(row, k) ~ scales[row] * c,   c in -127 .. 127
//   activations  x ~ scale * c,                 c in 0 .. 255 after a ReLU (unsigned_fixed<8>),
//                                               -127 .. 127 otherwise (fixed<8>)
//
// Activations are converted by the text of `requantize` (numeric/rescale.hpp), which kernels also use at their end: c =
// saturate(nearest_even(x * inverse)). The range is the caller's choice, usually the largest value seen on a few inputs
// or one derived from batch norm; what lies beyond it saturates.

#include <algorithm>
#include <span>
#include <string_view>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/quantize/blocks.hpp"
#include "intaglio/quantize/convert.hpp"
#include "intaglio/tensor/footprint.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// 8-bit weights of a row-major matrix (rows = output channels): int8_inference's right-hand side is
/// `w.as_rhs<rhs_view<int8_inference>>()`.
inline block_tensor<fixed<8>> quantize_int8_rows(std::span<const float> weights, dim_t rows, dim_t cols,
                                                 std::string_view name = "weights", executor_ref exec = {}) {
    return quantize_blocks<fixed<8>>(weights, rows, cols, {}, name, exec);
}

/// A tensor's scale, both ways. `scale` is the exact reciprocal of the float `inverse` as far as double goes, so codes
/// mean the same on both sides.
struct linear_scale {
    double scale = 1;  ///< a code's unit
    float inverse = 1; ///< what values are multiplied by
};

/// The scale under which `largest` (>= 0, finite) takes the format's largest code; 1 if `largest` is 0. Ranges below
/// 2^-100 count as 2^-100. Throws value_error otherwise.
template <IntegerFormat Format>
linear_scale scale_for_range(float largest) {
    require<value_error>(largest >= 0 && is_finite(largest), "activation range: ", largest,
                         " is not a finite number >= 0");
    if (magnitude_bits(largest) == 0) return {};
    return in_float_environment([&] {
        const auto inverse = static_cast<float>(static_cast<double>(Format::max_magnitude) /
                                                static_cast<double>(std::max(largest, 0x1p-100F)));
        return linear_scale{1.0 / static_cast<double>(inverse), inverse};
    });
}

/// codes[i] = requantize<Format>(values[i], inverse_scale). Values beyond the range saturate; a NaN becomes the least
/// code. Throws shape_error if the lengths differ, value_error if both share memory.
template <IntegerFormat Format>
void quantize_linear(std::span<const float> values, std::span<typename Format::storage> codes, float inverse_scale,
                     executor_ref exec = {}) {
    require(values.size() == codes.size(), "quantize: ", values.size(), " values, room for ", codes.size(), " codes");
    detail::require_apart("quantize", "the values", values, codes);
    detail::for_each_chunk(static_cast<dim_t>(values.size()), exec, [&](dim_t first, dim_t count) {
        const float* in = values.data() + first;
        auto* out = codes.data() + first;
        for (dim_t i = 0; i < count; ++i) out[i] = requantize<Format>(in[i], inverse_scale);
    });
}

} // namespace intaglio::inline INTAGLIO_ABI
