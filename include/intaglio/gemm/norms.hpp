// SPDX-License-Identifier: Apache-2.0
#pragma once

// The norms that the proof of chains (chains.hpp) stands on: squares of l2 norms over pieces of 16, 32, .. 256 elements
// of the reduction. Of rhs they are measured per panel, while packing; of lhs per block of rows, when the block is
// gathered (measure.hpp); each is the largest of any column or row. Long pieces bound tighter (the largest of many sums
// is nearer to their mean), short ones let a chain end where it must. All norms are rounded up, so the proof holds in
// the floating-point numbers that carry it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/simd/lane_sums.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Elements of the reduction in the shortest piece that is measured.
inline constexpr dim_t norm_step = 16;
/// Pieces of norm_step << level elements, level 0 .. norm_levels - 1, each beginning at a multiple of its length.
inline constexpr int norm_levels = 5;
inline constexpr dim_t longest_piece = norm_step << (norm_levels - 1);

/// The piece of a level that element e >= 0 lies in.
constexpr dim_t piece_of(dim_t e, int level) {
    static_assert(norm_step == 16);
    return e >> (4 + level);
}

/// Rounds up by a little more than the rounding of the few float operations that made a value.
inline float round_norm_up(float v) { return v * (1.0F + 0x1p-18F); }

/// A value for each piece of each level along `length` elements.
template <class T>
class piece_table {
public:
    piece_table() = default;
    explicit piece_table(dim_t length) {
        for (int level = 0; level < norm_levels; ++level) {
            first_[level] = static_cast<dim_t>(values_.size());
            values_.resize(values_.size() + static_cast<std::size_t>(ceil_div(length, norm_step << level)));
        }
    }
    T& at(int level, dim_t piece) { return values_[static_cast<std::size_t>(first_[level] + piece)]; }
    const T& at(int level, dim_t piece) const { return values_[static_cast<std::size_t>(first_[level] + piece)]; }
    dim_t pieces(int level) const {
        return (level + 1 < norm_levels ? first_[level + 1] : static_cast<dim_t>(values_.size())) - first_[level];
    }
    const std::vector<T>& values() const { return values_; }

private:
    dim_t first_[norm_levels] = {};
    std::vector<T> values_;
};

/// For each piece the largest sum, of any row or column, of (v >> 4)^2, in four parts: the largest of them counts.
struct square_sum {
    simd::four_lanes lanes = {};
    INTAGLIO_INLINE void raise(simd::four_lanes sums) { lanes = simd::larger(lanes, sums); }
    std::int32_t largest() const { return std::max(std::max(lanes[0], lanes[1]), std::max(lanes[2], lanes[3])); }
};
using square_sums = piece_table<square_sum>;
/// For each piece a bound of |v|_2^2. |v| <= 16 (|v >> 4| + 1), hence |v|_2 <= 16 (|v >> 4|_2 + sqrt(count)).
using norm_table = piece_table<float>;
static_assert(longest_piece * 2048 * 2048 <= 2147483647, "a sum of the longest piece fits int32");

/// The bound for `count` elements, of which the squares of v >> 4 add up to `squares`.
inline float norm_bound(float squares, dim_t count) {
    const float l2 = 16.0F * (std::sqrt(squares) + std::sqrt(static_cast<float>(count)));
    return round_norm_up(l2 * l2);
}

/// The bounds of pieces of level `first` and longer; each shorter one has that of the piece of level `first` around it.
inline norm_table norms_of(const square_sums& sums, dim_t length, int first = 0) {
    norm_table norms(length);
    for (int level = first; level < norm_levels; ++level)
        for (dim_t p = 0; p < norms.pieces(level); ++p)
            norms.at(level, p) = norm_bound(static_cast<float>(sums.at(level, p).largest()), norm_step << level);
    for (int level = 0; level < first; ++level)
        for (dim_t p = 0; p < norms.pieces(level); ++p) norms.at(level, p) = norms.at(first, p >> (first - level));
    return norms;
}

/// A bound of a piece of a level above the shortest, from its two halves; the last piece may have one only.
inline float bound_of_halves(const norm_table& norms, int level, dim_t piece) {
    const dim_t first = 2 * piece, second = first + 1;
    return round_norm_up(norms.at(level - 1, first) +
                         (second < norms.pieces(level - 1) ? norms.at(level - 1, second) : 0.0F));
}

/// A bound of |v|_2^2 over all elements.
inline double square_bound(const norm_table& norms) {
    double squares = 0;
    for (dim_t p = 0; p < norms.pieces(norm_levels - 1); ++p)
        squares += static_cast<double>(norms.at(norm_levels - 1, p));
    return squares;
}

/// A bound of |v|_1 over `length` elements, sqrt(length) |v|_2.
inline double l1_bound(const norm_table& norms, dim_t length) {
    return std::sqrt(static_cast<double>(length) * square_bound(norms));
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
