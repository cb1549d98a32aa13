// SPDX-License-Identifier: Apache-2.0
#pragma once

// A matrix that somebody else owns: a pointer, a size and two strides. Transposition swaps two pairs of numbers; no
// data moves. Strides are in elements and may be anything that keeps every element inside the owner's memory.
//
// A view is made as a whole and assigned as a whole. It can't be filled member by member, where a forgotten stride of 0
// would repeat the first row.

#include <type_traits>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <class T>
class matrix_view {
public:
    /// No elements.
    constexpr matrix_view() = default;
    constexpr matrix_view(T* data, dim_t rows, dim_t cols, dim_t row_stride, dim_t col_stride = 1)
        : data_(data), rows_(rows), cols_(cols), row_stride_(row_stride), col_stride_(col_stride) {}
    /// A dense row-major matrix.
    constexpr matrix_view(T* data, dim_t rows, dim_t cols) : matrix_view(data, rows, cols, cols, 1) {}
    /// A view that may write converts to one that only reads.
    template <class U>
        requires(std::is_same_v<const U, T>)
    constexpr matrix_view(const matrix_view<U>& v)
        : matrix_view(v.data(), v.rows(), v.cols(), v.row_stride(), v.col_stride()) {}

    constexpr T* data() const { return data_; }
    constexpr dim_t rows() const { return rows_; }
    constexpr dim_t cols() const { return cols_; }
    constexpr dim_t row_stride() const { return row_stride_; } ///< from one row to the next, in elements
    constexpr dim_t col_stride() const { return col_stride_; } ///< from one column to the next, in elements
    constexpr bool empty() const { return rows_ == 0 || cols_ == 0; }

    constexpr T& operator()(dim_t row, dim_t col) const { return data_[row * row_stride_ + col * col_stride_]; }
    constexpr matrix_view transposed() const { return {data_, cols_, rows_, col_stride_, row_stride_}; }
    /// Columns first .. first + count - 1.
    constexpr matrix_view columns(dim_t first, dim_t count) const {
        return {data_ ? data_ + first * col_stride_ : nullptr, rows_, count, row_stride_, col_stride_};
    }

    /// The same elements in the same places.
    friend constexpr bool operator==(const matrix_view&, const matrix_view&) = default;

private:
    T* data_ = nullptr;
    dim_t rows_ = 0;
    dim_t cols_ = 0;
    dim_t row_stride_ = 0;
    dim_t col_stride_ = 1;
};

} // namespace intaglio::inline INTAGLIO_ABI
