// SPDX-License-Identifier: Apache-2.0
// expect: no matching

#include "intaglio/tensor/view.hpp"

using namespace intaglio;

// A view that reads does not become one that writes.
matrix_view<float> writable(const matrix_view<const float>& v) { return matrix_view<float>(v); }
