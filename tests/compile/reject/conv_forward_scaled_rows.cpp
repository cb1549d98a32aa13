// SPDX-License-Identifier: Apache-2.0
// expect: conv_forward: the activations share one scale; use an lhs operand with per_tensor

#include "intaglio/conv/forward.hpp"

using namespace intaglio;

// A row of the product is a pixel of the output, and pixels share their inputs.
struct scaled_rows : int8_inference {
    using lhs = operand<unsigned_fixed<8>, per_row>;
};
void convolve(const conv_geometry& g, std::span<const std::uint8_t> in, const packed_filter<scaled_rows>& filter,
              matrix_view<float> out) {
    conv_forward<scaled_rows>(g, in, 1.0, filter, out);
}
