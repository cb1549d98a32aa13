// SPDX-License-Identifier: Apache-2.0
#pragma once

// Weights as sums of ternary planes. A row is an output channel, cut along its `cols` weights (the reduction) into
// blocks of `block`; the last block of a row may be shorter. Each block of each plane has an 8-bit scale, and the
// tensor has one real factor:
//
//   ternary_tensor   w(row, k) ~ factor * sum over planes p of  scales[p][row][k / block] * trits[p][row][k]
//   locked_tensor    w(row, k) ~ factor * scales[row][k / block] * codes[row][k]
//
// with trits in -1 .. 1 and codes in -(3^D - 1)/2 .. (3^D - 1)/2. A locked code is D trits whose scales are locked 3 :
// 1: sum over p of 3^(D-1-p) * trit_p. Made by quantize/residual.hpp.
//
//   trits, 2 planes, 2 rows, 5 columns, block 2:        scales
//     plane 0  row 0  t t | t t | t                       q q q
//              row 1  t t | t t | t                       q q q
//     plane 1  row 0  t t | t t | t                       q q q
//              row 1  t t | t t | t                       q q q
//
// Planes lie one after another, most significant first, so the first L planes are a coarser tensor in the same memory:
// the dial is an argument, not a copy.

#include <cstddef>
#include <cstdint>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/tensor/operand_view.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {
/// Throws shape_error unless these are the sizes of a tensor with blocks.
inline void check_blocks(dim_t rows, dim_t cols, dim_t block) {
    checked_product({rows, cols});
    require(block >= 1, "blocks of ", block, " weights; a block has at least 1");
}
/// Blocks in a row.
constexpr dim_t blocks_of(dim_t cols, dim_t block) noexcept {
    return block > 0 ? cols / block + (cols % block != 0 ? 1 : 0) : 0;
}
} // namespace detail

class ternary_tensor {
public:
    ternary_tensor() = default;
    /// All zero. Throws shape_error on negative sizes, a block or a plane count below 1.
    ternary_tensor(dim_t planes, dim_t rows, dim_t cols, dim_t block)
        : planes_(planes), rows_(rows), cols_(cols), block_(block) {
        detail::check_blocks(rows, cols, block);
        require(planes >= 1, "ternary tensor: ", planes, " planes; it has at least 1");
        trits_ = buffer<std::int8_t>(checked_product({planes, rows, cols}));
        scales_ = buffer<std::uint8_t>(checked_product({planes, rows, blocks()}));
    }

    dim_t planes() const noexcept { return planes_; }
    dim_t rows() const noexcept { return rows_; }
    dim_t cols() const noexcept { return cols_; }
    dim_t block() const noexcept { return block_; }
    /// Blocks in a row, the last one maybe shorter.
    dim_t blocks() const noexcept { return detail::blocks_of(cols_, block_); }
    double factor() const noexcept { return factor_; }
    void set_factor(double factor) noexcept { factor_ = factor; }

    /// All planes: trits [plane][row][col] and scales [plane][row][block].
    std::int8_t* trits() noexcept { return trits_.data(); }
    const std::int8_t* trits() const noexcept { return trits_.data(); }
    std::uint8_t* scales() noexcept { return scales_.data(); }
    const std::uint8_t* scales() const noexcept { return scales_.data(); }

    std::int8_t* trits(dim_t plane, dim_t row) noexcept { return trits_.data() + (plane * rows_ + row) * cols_; }
    const std::int8_t* trits(dim_t plane, dim_t row) const noexcept {
        return trits_.data() + (plane * rows_ + row) * cols_;
    }
    std::uint8_t& scale(dim_t plane, dim_t row, dim_t b) noexcept {
        return scales_[(plane * rows_ + row) * blocks() + b];
    }
    std::uint8_t scale(dim_t plane, dim_t row, dim_t b) const noexcept {
        return scales_[(plane * rows_ + row) * blocks() + b];
    }

    /// From one plane of trits to the next, in elements.
    dim_t plane_stride() const noexcept { return rows_ * cols_; }
    /// One plane as a matrix of rows x cols.
    matrix_view<const std::int8_t> plane(dim_t p) const noexcept {
        return {trits_.data() + p * plane_stride(), rows_, cols_};
    }

    /// The right-hand side of a product, (cols x rows): `w.as_rhs<rhs_view<ternary8_inference<L>>>()` for the first L
    /// <= planes() planes. Throws shape_error where the policy has other blocks or more planes.
    template <class View>
    View as_rhs() const {
        using operand = typename View::operand_type;
        detail::require_operand_types<View, std::int8_t, std::uint8_t>();
        detail::require_blocks<operand>("ternary tensor", block_, cols_);
        require(planes_ >= operand::planes, "ternary tensor: ", planes_, " planes, but the policy sums ",
                operand::planes, "; quantize to as many or use a policy of fewer");
        return View{plane(0).transposed(), factor_,
                    scales_.span().first(static_cast<std::size_t>(operand::planes * rows_ * blocks())), plane_stride()};
    }

    /// The weight that the first `planes` planes give.
    double value(dim_t row, dim_t col, dim_t planes) const noexcept {
        dim_t sum = 0;
        for (dim_t p = 0; p < planes; ++p) sum += dim_t{scale(p, row, col / block_)} * dim_t{trits(p, row)[col]};
        return static_cast<double>(sum) * factor_;
    }
    double value(dim_t row, dim_t col) const noexcept { return value(row, col, planes_); }

private:
    dim_t planes_ = 0;
    dim_t rows_ = 0;
    dim_t cols_ = 0;
    dim_t block_ = 1;
    double factor_ = 1;
    buffer<std::int8_t> trits_;
    buffer<std::uint8_t> scales_;
};

class locked_tensor {
public:
    static constexpr int max_digits = 5; ///< 3^5 codes fit a byte

    locked_tensor() = default;
    /// All zero. Throws shape_error on negative sizes or a block below 1, value_error unless 1 <= digits <= 5.
    locked_tensor(int digits, dim_t rows, dim_t cols, dim_t block)
        : digits_(digits), rows_(rows), cols_(cols), block_(block) {
        detail::check_blocks(rows, cols, block);
        require<value_error>(digits >= 1 && digits <= max_digits, "locked tensor: ", digits,
                             " digits; a signed byte holds 1 to ", max_digits);
        codes_ = buffer<std::int8_t>(checked_product({rows, cols}));
        scales_ = buffer<std::uint8_t>(checked_product({rows, blocks()}));
    }

    int digits() const noexcept { return digits_; }
    dim_t rows() const noexcept { return rows_; }
    dim_t cols() const noexcept { return cols_; }
    dim_t block() const noexcept { return block_; }
    dim_t blocks() const noexcept { return detail::blocks_of(cols_, block_); }
    double factor() const noexcept { return factor_; }
    void set_factor(double factor) noexcept { factor_ = factor; }

    std::int8_t* codes() noexcept { return codes_.data(); }
    const std::int8_t* codes() const noexcept { return codes_.data(); }
    std::uint8_t* scales() noexcept { return scales_.data(); }
    const std::uint8_t* scales() const noexcept { return scales_.data(); }

    std::int8_t* codes(dim_t row) noexcept { return codes_.data() + row * cols_; }
    const std::int8_t* codes(dim_t row) const noexcept { return codes_.data() + row * cols_; }
    std::uint8_t& scale(dim_t row, dim_t b) noexcept { return scales_[row * blocks() + b]; }
    std::uint8_t scale(dim_t row, dim_t b) const noexcept { return scales_[row * blocks() + b]; }

    matrix_view<const std::int8_t> matrix() const noexcept { return {codes_.data(), rows_, cols_}; }

    /// The right-hand side of a product, (cols x rows): `w.as_rhs<rhs_view<ternary8_locked<3>>>()`. Throws shape_error
    /// where the policy has other blocks, value_error where it has fewer digits (truncate_locked drops some).
    template <class View>
    View as_rhs() const {
        using operand = typename View::operand_type;
        detail::require_operand_types<View, std::int8_t, std::uint8_t>();
        detail::require_blocks<operand>("locked tensor", block_, cols_);
        detail::require_magnitude<operand>("locked tensor", (detail::power_of_three(digits_) - 1) / 2);
        static_assert(operand::planes == 1,
                      "operand: locked digits are one plane of codes, and the policy sums several; "
                      "use locked_trits");
        return View{matrix().transposed(), factor_, scales_.span(), rows_ * cols_};
    }

    double value(dim_t row, dim_t col) const noexcept {
        return static_cast<double>(dim_t{scale(row, col / block_)} * dim_t{codes(row)[col]}) * factor_;
    }

private:
    int digits_ = 1;
    dim_t rows_ = 0;
    dim_t cols_ = 0;
    dim_t block_ = 1;
    double factor_ = 1;
    buffer<std::int8_t> codes_;
    buffer<std::uint8_t> scales_;
};

} // namespace intaglio::inline INTAGLIO_ABI
