// SPDX-License-Identifier: Apache-2.0
// expect: convolution: activations have one scale for the whole tensor

#include "intaglio/conv/reference.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

// A row of the product is a pixel of the output, and pixels share their inputs.
struct scaled_rows : int8_inference {
    using lhs = operand<unsigned_fixed<8>, per_row>;
};
void convolve(const conv_geometry& g, std::span<const std::uint8_t> in, const rhs_view<scaled_rows>& filter,
              matrix_view<float> out) {
    reference_conv_forward<scaled_rows>(g, in, 1.0, filter, out);
}
