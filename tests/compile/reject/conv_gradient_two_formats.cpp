// SPDX-License-Identifier: Apache-2.0
// expect: convolution: in the gradients each operand stands on either side, so both need the same format

#include "intaglio/conv/weight_gradient.hpp"

using namespace intaglio;

struct unequal : dfp16_training {
    using rhs = operand<fixed<12>, per_tensor>;
};
void gradient(const conv_geometry& g, std::span<const std::int16_t> in, std::span<const std::int16_t> d_out,
              matrix_view<float> d_filter) {
    conv_weight_gradient<unequal>(g, in, 1.0, d_out, 1.0, d_filter);
}
