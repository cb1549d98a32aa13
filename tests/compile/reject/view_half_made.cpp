// SPDX-License-Identifier: Apache-2.0
// expect: data_
// expect: private

#include "intaglio/tensor/view.hpp"

intaglio::matrix_view<const float> rows(const float* data) {
    intaglio::matrix_view<const float> v;
    v.data_ = data;
    v.rows_ = 3;
    v.cols_ = 4; // and a row stride of 0
    return v;
}
