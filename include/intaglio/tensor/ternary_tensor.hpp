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

#include <cstdint>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {
/// Throws shape_error unless these are the sizes of a tensor with blocks.
inline void check_blocks(index rows, index cols, index block) {
    checked_product({rows, cols});
    require(block >= 1, "blocks of ", block, " weights; a block has at least 1");
}
/// Blocks in a row.
constexpr index blocks_of(index cols, index block) noexcept {
    return block > 0 ? cols / block + (cols % block != 0 ? 1 : 0) : 0;
}
} // namespace detail

class ternary_tensor {
public:
    ternary_tensor() = default;
    /// All zero. Throws shape_error on negative sizes, a block or a plane count below 1.
    ternary_tensor(index planes, index rows, index cols, index block)
        : planes_(planes), rows_(rows), cols_(cols), block_(block) {
        detail::check_blocks(rows, cols, block);
        require(planes >= 1, "ternary tensor: ", planes, " planes; it has at least 1");
        trits_ = buffer<std::int8_t>(checked_product({planes, rows, cols}));
        scales_ = buffer<std::uint8_t>(checked_product({planes, rows, blocks()}));
    }

    index planes() const noexcept { return planes_; }
    index rows() const noexcept { return rows_; }
    index cols() const noexcept { return cols_; }
    index block() const noexcept { return block_; }
    /// Blocks in a row, the last one maybe shorter.
    index blocks() const noexcept { return detail::blocks_of(cols_, block_); }
    double factor() const noexcept { return factor_; }
    void set_factor(double factor) noexcept { factor_ = factor; }

    /// All planes: trits [plane][row][col] and scales [plane][row][block].
    std::int8_t* trits() noexcept { return trits_.data(); }
    const std::int8_t* trits() const noexcept { return trits_.data(); }
    std::uint8_t* scales() noexcept { return scales_.data(); }
    const std::uint8_t* scales() const noexcept { return scales_.data(); }

    std::int8_t* trits(index plane, index row) noexcept { return trits_.data() + (plane * rows_ + row) * cols_; }
    const std::int8_t* trits(index plane, index row) const noexcept {
        return trits_.data() + (plane * rows_ + row) * cols_;
    }
    std::uint8_t& scale(index plane, index row, index b) noexcept {
        return scales_[(plane * rows_ + row) * blocks() + b];
    }
    std::uint8_t scale(index plane, index row, index b) const noexcept {
        return scales_[(plane * rows_ + row) * blocks() + b];
    }

    /// From one plane of trits to the next, in elements.
    index plane_stride() const noexcept { return rows_ * cols_; }
    /// One plane as a matrix of rows x cols.
    matrix_view<const std::int8_t> plane(index p) const noexcept {
        return {trits_.data() + p * plane_stride(), rows_, cols_};
    }

    /// The right-hand side of a product, (cols x rows): `w.as_rhs<rhs_view<ternary8_inference<L>>>()` for the first L
    /// <= planes() planes.
    template <class View>
    View as_rhs() const {
        return View{plane(0).transposed(), factor_, scales_.data(), plane_stride()};
    }

    /// The weight that the first `planes` planes give.
    double value(index row, index col, index planes) const noexcept {
        index sum = 0;
        for (index p = 0; p < planes; ++p) sum += index{scale(p, row, col / block_)} * index{trits(p, row)[col]};
        return static_cast<double>(sum) * factor_;
    }
    double value(index row, index col) const noexcept { return value(row, col, planes_); }

private:
    index planes_ = 0;
    index rows_ = 0;
    index cols_ = 0;
    index block_ = 1;
    double factor_ = 1;
    buffer<std::int8_t> trits_;
    buffer<std::uint8_t> scales_;
};

class locked_tensor {
public:
    static constexpr int max_digits = 5; ///< 3^5 codes fit a byte

    locked_tensor() = default;
    /// All zero. Throws shape_error on negative sizes or a block below 1, value_error unless 1 <= digits <= 5.
    locked_tensor(int digits, index rows, index cols, index block)
        : digits_(digits), rows_(rows), cols_(cols), block_(block) {
        detail::check_blocks(rows, cols, block);
        require<value_error>(digits >= 1 && digits <= max_digits, "locked tensor: ", digits,
                             " digits; a signed byte holds 1 to ", max_digits);
        codes_ = buffer<std::int8_t>(checked_product({rows, cols}));
        scales_ = buffer<std::uint8_t>(checked_product({rows, blocks()}));
    }

    int digits() const noexcept { return digits_; }
    index rows() const noexcept { return rows_; }
    index cols() const noexcept { return cols_; }
    index block() const noexcept { return block_; }
    index blocks() const noexcept { return detail::blocks_of(cols_, block_); }
    double factor() const noexcept { return factor_; }
    void set_factor(double factor) noexcept { factor_ = factor; }

    std::int8_t* codes() noexcept { return codes_.data(); }
    const std::int8_t* codes() const noexcept { return codes_.data(); }
    std::uint8_t* scales() noexcept { return scales_.data(); }
    const std::uint8_t* scales() const noexcept { return scales_.data(); }

    std::int8_t* codes(index row) noexcept { return codes_.data() + row * cols_; }
    const std::int8_t* codes(index row) const noexcept { return codes_.data() + row * cols_; }
    std::uint8_t& scale(index row, index b) noexcept { return scales_[row * blocks() + b]; }
    std::uint8_t scale(index row, index b) const noexcept { return scales_[row * blocks() + b]; }

    matrix_view<const std::int8_t> matrix() const noexcept { return {codes_.data(), rows_, cols_}; }

    /// The right-hand side of a product, (cols x rows): `w.as_rhs<rhs_view<ternary8_locked<3>>>()`.
    template <class View>
    View as_rhs() const {
        return View{matrix().transposed(), factor_, scales_.data(), rows_ * cols_};
    }

    double value(index row, index col) const noexcept {
        return static_cast<double>(index{scale(row, col / block_)} * index{codes(row)[col]}) * factor_;
    }

private:
    int digits_ = 1;
    index rows_ = 0;
    index cols_ = 0;
    index block_ = 1;
    double factor_ = 1;
    buffer<std::int8_t> codes_;
    buffer<std::uint8_t> scales_;
};

} // namespace intaglio::inline INTAGLIO_ABI
