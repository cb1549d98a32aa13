// SPDX-License-Identifier: Apache-2.0
// expect: convolution: gradients take operands of one plane with one scale for the whole tensor

#include "intaglio/conv/reference.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

void convolve(const conv_geometry& g, std::span<const std::uint8_t> d_out, std::span<const std::int8_t> filter,
              matrix_view<float> d_in) {
    reference_conv_input_gradient<ternary8_inference<2>>(g, d_out, 1.0, filter, 1.0, d_in);
}
