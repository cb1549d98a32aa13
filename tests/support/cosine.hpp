// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "intaglio/tensor/tensor.hpp"

namespace intaglio {

/// The cosine of the angle between two gradients of the same size; 1 if both are zero.
inline double cosine(const tensor<float>& a, const tensor<float>& b) {
    double ab = 0, aa = 0, bb = 0;
    for (dim_t i = 0; i < a.size(); ++i) {
        const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
        ab += x * y, aa += x * x, bb += y * y;
    }
    return aa == 0 && bb == 0 ? 1 : ab / std::sqrt(aa * bb);
}

} // namespace intaglio
