// SPDX-License-Identifier: Apache-2.0
//
// expect: convolution: gradients need one scale per tensor and one plane of storage
// on both sides; use fp32 or a dfp16 policy

#include "intaglio/conv/weight_gradient.hpp"

using namespace intaglio;

void gradient(const conv_geometry& g, std::span<const std::uint8_t> in, std::span<const std::int8_t> d_out,
              matrix_view<float> d_filter) {
    conv_weight_gradient<int8_inference>(g, in, 1.0, d_out, 1.0, d_filter);
}
