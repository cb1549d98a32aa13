// SPDX-License-Identifier: Apache-2.0
#pragma once

// A dense tensor that owns its elements, last dimension contiguous. Activations are (batch, height, width, channels),
// filters (out channels, kernel rows, kernel columns, in channels / groups).

#include <cstddef>
#include <span>
#include <utility>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <class T>
class tensor {
public:
    using value_type = T;

    /// No elements, and so a shape of {0}.
    tensor() : shape_{0} {}
    /// Zero-filled.
    explicit tensor(const extents& shape) : shape_(shape), values_(shape.size()) {}
    tensor(const extents& shape, uninitialized_t) : shape_(shape), values_(shape.size(), uninitialized) {}
    /// A copy of `values`. Throws shape_error unless there are shape.size() of them.
    tensor(const extents& shape, std::span<const T> values) : shape_(shape) {
        require(static_cast<dim_t>(values.size()) == shape.size(), "tensor: shape ", shape, " has ", shape.size(),
                " elements, got ", values.size());
        values_ = buffer<T>(values);
    }

    const extents& shape() const noexcept { return shape_; }
    dim_t size() const noexcept { return values_.size(); }
    bool empty() const noexcept { return values_.empty(); }

    T* data() noexcept { return values_.data(); }
    const T* data() const noexcept { return values_.data(); }
    T* begin() noexcept { return values_.begin(); }
    const T* begin() const noexcept { return values_.begin(); }
    T* end() noexcept { return values_.end(); }
    const T* end() const noexcept { return values_.end(); }
    std::span<T> span() noexcept { return values_.span(); }
    std::span<const T> span() const noexcept { return values_.span(); }

    /// Element i of the flat order, 0 <= i < size().
    T& operator[](dim_t i) noexcept { return values_[i]; }
    const T& operator[](dim_t i) const noexcept { return values_[i]; }

    /// The elements as a matrix of `rows` x `cols`. Throws shape_error unless that is size().
    matrix_view<T> matrix(dim_t rows, dim_t cols) {
        check_matrix(rows, cols);
        return {data(), rows, cols};
    }
    matrix_view<const T> matrix(dim_t rows, dim_t cols) const {
        check_matrix(rows, cols);
        return {data(), rows, cols};
    }

    /// Another shape for the same elements. Throws shape_error, and changes nothing, if the sizes differ.
    void reshape(const extents& shape) {
        require(shape.size() == size(), "tensor: can't view ", shape_, " as ", shape);
        shape_ = shape;
    }

private:
    void check_matrix(dim_t rows, dim_t cols) const {
        require(checked_product({rows, cols}) == size(), "tensor: can't view ", shape_, " as a matrix of ", rows, " x ",
                cols);
    }

    extents shape_;
    buffer<T> values_;
};

} // namespace intaglio::inline INTAGLIO_ABI
