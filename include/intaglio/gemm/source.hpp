// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the rows of lhs lie. The driver never sees a matrix or an image: it asks a *source* for runs of elements that
// are adjacent in memory, and so a convolution is a product whose source knows about strides, padding and taps. A
// source states
//
//   element                       the element type
//   rows(), depth()               the size of the matrix
//   plane_stride()                from an element's first plane to its second, where the format stores two
//                                 (planar_bytes)
//   along_rows()                  whether runs follow a row (k ascending) or a column (i ascending)
//   for_each_run(i, k0, k1, f)    f(const element* p, dim_t length, dim_t step) covers k0 .. k1 of row i in order;
//                                 p = nullptr stands for zeros
//   for_each_column_run(k, i0, i1, f)   the same along column k; a source that can do only one of the two says so by
//                                 has_row_runs or has_column_runs = false
//   in_place(i, count)            the pointer to row i and the stride between rows if `count` whole rows lie evenly
//                                 spaced, each contiguous
//   has_windows, copy_patch(...), rows_in_line()   see patch.hpp; only sources whose rows overlap in memory
//   block_norms(patch)            int16 sources with windows: norms of every row that lies in the patch (norms.hpp);
//                                 other blocks are measured row by row
//   require_range<Format>(name)   throws unless every element is in its format's range

#include "intaglio/gemm/blocking.hpp"
#include "intaglio/gemm/range.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Evenly spaced, contiguous rows that a kernel can read where they are.
template <class T>
struct row_span {
    const T* data = nullptr; ///< nullptr: there are none
    dim_t stride = 0;
};

template <class Source>
constexpr bool has_row_runs = [] {
    if constexpr (requires { Source::has_row_runs; }) return Source::has_row_runs;
    return true;
}();
template <class Source>
constexpr bool has_column_runs = [] {
    if constexpr (requires { Source::has_column_runs; }) return Source::has_column_runs;
    return true;
}();

/// A plain matrix, any strides.
template <class T>
class matrix_source {
public:
    using element = T;
    static constexpr bool has_windows = false;
    explicit matrix_source(matrix_view<const T> v, dim_t plane_stride = 0) : v_(v), plane_stride_(plane_stride) {}

    dim_t rows() const { return v_.rows(); }
    dim_t depth() const { return v_.cols(); }
    dim_t plane_stride() const { return plane_stride_; }
    bool along_rows() const { return v_.col_stride() == 1 || v_.row_stride() != 1; }

    template <class F>
    void for_each_run(dim_t i, dim_t k0, dim_t k1, F&& f) const {
        f(v_.data() + i * v_.row_stride() + k0 * v_.col_stride(), k1 - k0, v_.col_stride());
    }
    template <class F>
    void for_each_column_run(dim_t k, dim_t i0, dim_t i1, F&& f) const {
        f(v_.data() + i0 * v_.row_stride() + k * v_.col_stride(), i1 - i0, v_.row_stride());
    }
    row_span<T> in_place(dim_t i, dim_t /*count*/) const {
        if (v_.col_stride() != 1) return {};
        return {v_.data() + i * v_.row_stride(), v_.row_stride()};
    }

    template <class Format>
    void require_range(const char* name) const {
        detail::require_range<Format>(name, rhs_rows<T>{v_.data(), v_.row_stride(), v_.col_stride()}, rows(), depth());
    }

private:
    matrix_view<const T> v_;
    dim_t plane_stride_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
