// SPDX-License-Identifier: Apache-2.0
#pragma once

// An operand of a product as the caller has it: integers and their scales, none of them owned. Tensors with scales make
// one from what they know of themselves (as_lhs, as_rhs), and refuse where a policy would read them otherwise.

#include <concepts>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/tensor/footprint.hpp"
#include "intaglio/tensor/sharing.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// The value of an element is values(i, j) * scale * (scales of its row or block, if the sharing has any), summed over
/// planes.
///
/// lhs is (m, k) and its sharing row is i; rhs is (k, n) and its sharing row is the column j.
template <class Operand, class Scale>
struct operand_view {
    using operand_type = Operand;
    using scale_type = Scale;

    matrix_view<const typename Operand::storage> values;
    double scale = 1; ///< common factor, 2^exponent for dynamic fixed point
    /// per_row: [row]. per_block<N>: [plane][row][ceil(k / N)], dense. None otherwise.
    std::span<const Scale> scales = {};
    /// From one plane of `values` to the next, in elements: trits with several planes, planar_bytes (not 0).
    dim_t plane_stride = 0;
};

namespace detail {

/// How many scales an operand has, of `rows` sharing rows with a reduction of `k`.
template <class Operand>
constexpr dim_t scale_count(dim_t rows, dim_t k) {
    if constexpr (Operand::block > 0)
        return Operand::planes * rows * (k / Operand::block + (k % Operand::block != 0 ? 1 : 0));
    else
        return Operand::sharing::by_row ? rows : 0;
}

/// Throws unless the view's parts agree with each other and with the policy; `rows` sharing rows, a reduction of `k`.
template <class View>
void check_operand(const char* name, const View& v, dim_t rows, dim_t k) {
    using operand = typename View::operand_type;
    const auto& values = v.values;
    require(values.rows() >= 0 && values.cols() >= 0, "gemm: ", name, " is ", values.rows(), " x ", values.cols(),
            "; sizes can't be negative");
    require<value_error>(values.data() || values.empty(), "gemm: ", name, " is ", values.rows(), " x ", values.cols(),
                         " but its pointer is null");
    require<value_error>(stored_planes<typename operand::format> == 1 || v.plane_stride != 0 || values.empty(),
                         "gemm: ", name, " has ", stored_planes<typename operand::format>,
                         " planes, but its plane_stride is 0; say how far apart they lie");
    const dim_t scales = scale_count<operand>(rows, k);
    if constexpr (operand::block > 0)
        require(std::ssize(v.scales) == scales, "gemm: ", name, " has ", std::ssize(v.scales),
                " scales; the policy has one for each block of ", operand::block, " in each of ", rows, " rows of ", k,
                " and ", operand::planes, " planes, ", scales, "; quantize in such blocks");
    else
        require(std::ssize(v.scales) == scales, "gemm: ", name, " has ", std::ssize(v.scales),
                " scales; the policy has ",
                operand::sharing::by_row ? "one for each output row or column, "
                                         : "one for the whole tensor, `scale`, and ",
                scales, " here; give as many");
    require<value_error>(v.scales.data() || scales == 0, "gemm: ", name,
                         " has one scale per row or block by its policy, but its pointer to scales is null");
}

/// All memory that a view reads.
template <class View>
bool overlaps(const View& v, const footprint& memory) {
    using operand = typename View::operand_type;
    for (int plane = 0; plane < stored_planes<typename operand::format>; ++plane) {
        const auto& m = v.values;
        if (!m.empty() && overlap(footprint(matrix_view(m.data() + plane * v.plane_stride, m.rows(), m.cols(),
                                                        m.row_stride(), m.col_stride())),
                                  memory))
            return true;
    }
    return overlap(footprint(v.scales), memory);
}

/// Throws unless a tensor with a scale for each `block` of `cols` elements along its rows has as many, for the same
/// elements, as an operand reads.
template <class Operand>
void require_blocks(const char* tensor, dim_t block, dim_t cols) {
    static_assert(Operand::sharing::by_row,
                  "operand: the tensor has scales per row or block, and the policy one for the "
                  "whole operand; use per_row or per_block<N>");
    if constexpr (Operand::block > 0)
        require(block == Operand::block || (block >= cols && Operand::block >= cols), tensor, ": one scale for ", block,
                " elements of ", cols, ", but the policy has one for ", Operand::block,
                "; quantize in blocks of that length");
    else
        require(block >= cols, tensor, ": one scale for ", block, " elements of ", cols,
                ", but the policy has one for a row; quantize in blocks of a whole row");
}

/// Throws unless elements up to `largest` are in the range of an operand's format.
template <class Operand>
void require_magnitude(const char* tensor, std::int64_t largest) {
    require<value_error>(largest <= Operand::format::max_magnitude, tensor, ": codes up to ", largest,
                         ", but the policy's go to ", Operand::format::max_magnitude,
                         "; quantize to fewer levels or use a policy with more");
}

/// The laws of a tensor that becomes an operand.
template <class View, class Storage, class Scale>
constexpr void require_operand_types() {
    static_assert(std::same_as<typename View::operand_type::storage, Storage>,
                  "operand: the tensor stores its integers in another type than the policy's format; quantize to that "
                  "format");
    static_assert(std::same_as<typename View::scale_type, Scale>,
                  "operand: the tensor's scales are of another type than the policy's: 8-bit integers per block where "
                  "the total is integral, real numbers otherwise; use another quantizer or total");
}

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI
