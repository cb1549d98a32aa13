// SPDX-License-Identifier: Apache-2.0
#pragma once

// A matrix of integers in which each run of `block` elements of a row shares one real scale: w(row, k) ~ scales[row][k
// / block] * values[row][k]. With block = cols that is one scale for each row, the usual form of 8-bit weights. The
// last block of a row may be shorter. Made by quantize/blocks.hpp.

#include <algorithm>
#include <cstddef>
#include <span>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/tensor/operand_view.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <IntegerFormat Format>
class block_tensor {
public:
    using format = Format;
    using storage = typename Format::storage;

    block_tensor() = default;
    /// All zero. Throws shape_error on negative sizes or a block below 1.
    block_tensor(dim_t rows, dim_t cols, dim_t block) : rows_(rows), cols_(cols), block_(block) {
        require(block >= 1, "block tensor: blocks of ", block, " elements; a block has at least 1");
        values_ = buffer<storage>(checked_product({rows, cols}));
        scales_ = buffer<float>(checked_product({rows, std::max<dim_t>(1, blocks())}));
    }

    dim_t rows() const noexcept { return rows_; }
    dim_t cols() const noexcept { return cols_; }
    dim_t block() const noexcept { return block_; }
    dim_t blocks() const noexcept { return cols_ / block_ + (cols_ % block_ != 0 ? 1 : 0); }

    storage* values() noexcept { return values_.data(); }
    const storage* values() const noexcept { return values_.data(); }
    storage* values(dim_t row) noexcept { return values_.data() + row * cols_; }
    const storage* values(dim_t row) const noexcept { return values_.data() + row * cols_; }
    float* scales() noexcept { return scales_.data(); }
    const float* scales() const noexcept { return scales_.data(); }
    float& scale(dim_t row, dim_t b) noexcept { return scales_[row * blocks() + b]; }
    float scale(dim_t row, dim_t b) const noexcept { return scales_[row * blocks() + b]; }

    matrix_view<const storage> matrix() const noexcept { return {values_.data(), rows_, cols_}; }

    /// One side of a product, `w.as_rhs<rhs_view<int8_inference>>()`: lhs as it lies (rows x cols), rhs transposed
    /// (cols x rows), so that a row is an output channel. Throws shape_error where the policy has other blocks,
    /// value_error where its format has a smaller range.
    template <class View>
    View as_lhs() const {
        return View{matrix(), 1.0, scales_for<View>(), 0};
    }
    template <class View>
    View as_rhs() const {
        return View{matrix().transposed(), 1.0, scales_for<View>(), 0};
    }

    double value(dim_t row, dim_t col) const noexcept {
        return static_cast<double>(values(row)[col]) * static_cast<double>(scale(row, col / block_));
    }

private:
    /// The scales that an operand reads. A row without elements has no block, but one scale where rows have one.
    template <class View>
    std::span<const float> scales_for() const {
        using operand = typename View::operand_type;
        detail::require_operand_types<View, storage, float>();
        detail::require_blocks<operand>("block tensor", block_, cols_);
        detail::require_magnitude<operand>("block tensor", Format::max_magnitude);
        return scales_.span().first(static_cast<std::size_t>(detail::scale_count<operand>(rows_, cols_)));
    }

    dim_t rows_ = 0;
    dim_t cols_ = 0;
    dim_t block_ = 1;
    buffer<storage> values_;
    buffer<float> scales_;
};

} // namespace intaglio::inline INTAGLIO_ABI
