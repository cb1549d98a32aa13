// SPDX-License-Identifier: Apache-2.0
#pragma once

// A matrix that somebody else owns: a pointer, a size and two strides. Transposition swaps two pairs of numbers; no
// data moves. Strides are in elements and may be anything that keeps every element inside the owner's memory.

#include <type_traits>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <class T>
struct matrix_view {
    T* data = nullptr;
    dim_t rows = 0;
    dim_t cols = 0;
    dim_t row_stride = 0; ///< from one row to the next, in elements
    dim_t col_stride = 1; ///< from one column to the next, in elements

    constexpr matrix_view() = default;
    constexpr matrix_view(T* data_, dim_t rows_, dim_t cols_, dim_t row_stride_, dim_t col_stride_ = 1)
        : data(data_), rows(rows_), cols(cols_), row_stride(row_stride_), col_stride(col_stride_) {}
    /// A dense row-major matrix.
    constexpr matrix_view(T* data_, dim_t rows_, dim_t cols_) : matrix_view(data_, rows_, cols_, cols_, 1) {}
    /// A view that may write converts to one that only reads.
    template <class U>
        requires(std::is_same_v<const U, T>)
    constexpr matrix_view(const matrix_view<U>& v) : matrix_view(v.data, v.rows, v.cols, v.row_stride, v.col_stride) {}

    constexpr T& operator()(dim_t row, dim_t col) const { return data[row * row_stride + col * col_stride]; }
    constexpr matrix_view transposed() const { return {data, cols, rows, col_stride, row_stride}; }
};

} // namespace intaglio::inline INTAGLIO_ABI
