// SPDX-License-Identifier: Apache-2.0

// Views that write convert to views that read; transposition is its own inverse.

#include "intaglio/tensor/view.hpp"

using namespace intaglio;

constexpr float values[6] = {1, 2, 3, 4, 5, 6};
constexpr matrix_view<const float> v(values, 2, 3);
static_assert(v(1, 0) == 4 && v.transposed()(0, 1) == 4 && v.transposed().transposed()(1, 2) == 6);

matrix_view<const float> reading(const matrix_view<float>& writable) { return writable; }
