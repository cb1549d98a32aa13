// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dynamic fixed point: integers ("mantissas") that share one exponent, value(i) = mantissa(i) * 2^exponent. Made by
// quantize/dfp.hpp.
//
// planar_bytes are stored as two planes, a tensor (2, ...) of bytes: all high bytes, then all low ones. Shape and size
// are those of the numbers; dense operands of a convolution are span(), the operand of a product is {t.matrix(m, k),
// t.scale(), {}, t.plane_stride()}.

#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/tensor/tensor.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <IntegerFormat Format>
struct dfp_tensor {
    using format = Format;
    using storage = typename Format::storage;

    tensor<storage> mantissas{stored_shape({0})}; ///< of stored_shape(shape())
    int exponent = 0; ///< of the unit, so of the last place; -180 .. 158 covers every float at every width

    /// How mantissas of a shape are stored: as they are, planar_bytes as (2, ...). Throws shape_error where that is one
    /// dimension too many.
    static extents stored_shape(const extents& shape) {
        if constexpr (planes == 1) {
            return shape;
        } else {
            std::vector<dim_t> sizes{planes};
            sizes.insert(sizes.end(), shape.begin(), shape.end());
            return extents(sizes);
        }
    }

    extents shape() const noexcept {
        if constexpr (planes == 1)
            return mantissas.shape();
        else
            return extents(std::span(mantissas.shape().begin() + 1, mantissas.shape().end()));
    }
    dim_t size() const noexcept { return mantissas.size() / planes; }
    const storage* data() const noexcept { return mantissas.data(); }
    std::span<const storage> span() const noexcept { return mantissas.span(); } ///< all planes
    /// From a number's high byte to its low one, where there are planes.
    dim_t plane_stride() const noexcept { return size(); }
    /// The mantissas, or the first of their planes, as a matrix of `rows` x `cols`. Throws shape_error unless that is
    /// size().
    matrix_view<const storage> matrix(dim_t rows, dim_t cols) const {
        require(checked_product({rows, cols}) == size(), "dfp_tensor: can't view ", shape(), " as a matrix of ", rows,
                " x ", cols);
        return {data(), rows, cols};
    }

    /// 2^exponent, the common factor that a product takes. Exact.
    double scale() const noexcept { return power_of_two(exponent); }
    /// Exact.
    double value(dim_t i) const noexcept { return static_cast<double>(mantissa(i)) * scale(); }
    detail::number<Format> mantissa(dim_t i) const noexcept {
        return detail::number_at<Format>(data() + i, plane_stride());
    }

private:
    static constexpr int planes = detail::planes_of_number<Format>;
};

} // namespace intaglio::inline INTAGLIO_ABI
