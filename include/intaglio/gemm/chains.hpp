// SPDX-License-Identifier: Apache-2.0
#pragma once

// Chains and their proof. A packed rhs is a list of *runs* (a piece of the reduction of one plane whose scale doesn't
// change); a product cuts runs into chains. For proven chains the cut follows from norms: whatever a chain sums up, in
// whatever order,
//
//   |sum| <= |a|_2 |b|_2        (Cauchy-Schwarz)
//
// for the part of a row of lhs and of a column of rhs that the chain takes. The squares of these norms are measured
// over pieces of 16, 32, .. 256 elements of the reduction: of rhs per panel, while packing; of lhs per block of rows,
// when the block is gathered; each the largest of any column or row. Long pieces bound tighter (the largest of many
// sums is nearer to their mean), short ones let a chain end where it must. A chain is closed where the next piece would
// take the bound past 2^31 - 1 less what a carry left. All norms are rounded up, so the proof holds in the
// floating-point numbers that carry it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/simd/atom.hpp"
#include "intaglio/simd/lane_sums.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Elements of the reduction in the shortest piece that is measured.
inline constexpr dim_t norm_step = 16;
/// Pieces of norm_step << level elements, level 0 .. norm_levels - 1, each beginning at a multiple of its length.
inline constexpr int norm_levels = 5;
inline constexpr dim_t longest_piece = norm_step << (norm_levels - 1);

/// A run of the packed rhs: elements [k, k + length) of the reduction, one plane, at `offset` digits from the panel's
/// start.
struct rhs_run {
    dim_t k = 0;
    dim_t length = 0;
    dim_t offset = 0;
    int plane = 0; ///< plane of the packed rhs
    int scale = 0; ///< index of the block scale: block * planes + plane
};

/// Consecutive steps of the atom that are summed in the accumulator and then flushed.
struct chain {
    dim_t k = 0;      ///< first element of the reduction
    dim_t steps = 0;  ///< steps of the atom
    dim_t offset = 0; ///< of the first step in the packed panel, in digits
    int lhs_plane = 0;
    int rhs_plane = 0;
    int scale = 0;
    int shift = 0; ///< the weight of the planes' product is 2^shift
};

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

inline norm_table norms_of(const square_sums& sums, dim_t length) {
    norm_table norms(length);
    for (int level = 0; level < norm_levels; ++level)
        for (dim_t p = 0; p < norms.pieces(level); ++p)
            norms.at(level, p) = norm_bound(static_cast<float>(sums.at(level, p).largest()), norm_step << level);
    return norms;
}

/// A bound of a piece of a level above the shortest, from its two halves; the last piece may have one only.
inline float bound_of_halves(const norm_table& norms, int level, dim_t piece) {
    const dim_t first = 2 * piece, second = first + 1;
    return round_norm_up(norms.at(level - 1, first) +
                         (second < norms.pieces(level - 1) ? norms.at(level - 1, second) : 0.0F));
}

/// A bound of |v|_1 over `length` elements, sqrt(length) |v|_2.
inline double l1_bound(const norm_table& norms, dim_t length) {
    double squares = 0;
    for (dim_t p = 0; p < norms.pieces(norm_levels - 1); ++p)
        squares += static_cast<double>(norms.at(norm_levels - 1, p));
    return std::sqrt(static_cast<double>(length) * squares);
}

/// Cuts [k_begin, k_end) of one run into chains that can't overflow int32, appending them to `out`. `lhs` begins at
/// element `lhs_first`, `rhs` at the run's start, both at multiples of the longest piece. A piece that is too much by
/// itself is cut by the largest magnitudes there can be.
inline void cut_proven(const rhs_run& run, dim_t k_begin, dim_t k_end, int atom_k, int panel_cols,
                       const norm_table& lhs, dim_t lhs_first, const norm_table& rhs, std::vector<chain>& out) {
    constexpr double limit = 2147483647.0 - (1 << simd::carry_bits), square = limit * limit;
    const auto append = [&](dim_t from, dim_t to) {
        out.push_back(
            {from, (to - from + atom_k - 1) / atom_k, run.offset + (from - run.k) * panel_cols, 0, run.plane, 0, 0});
    };
    for (dim_t k = k_begin; k < k_end;) {
        double a = 0, b = 0;
        dim_t end = k;
        // adds the longest piece that begins here and is not known to be too much
        for (int most = norm_levels - 1; end < k_end;) {
            int level = most;
            while (end % (norm_step << level) != 0) --level;
            const dim_t length = norm_step << level;
            const double more_a = a + static_cast<double>(lhs.at(level, (end - lhs_first) / length)),
                         more_b = b + static_cast<double>(rhs.at(level, end / length));
            if (more_a * more_b <= square) {
                a = more_a;
                b = more_b;
                end += length;
            } else if (level == 0) {
                break;
            } else {
                most = level - 1;
            }
        }
        if (end > k) {
            end = std::min(end, k_end);
            append(k, end);
            // L products of one piece are at most L |a|inf |b|inf, and sqrt(L) |a|inf |b|2, and |a|2 sqrt(L) |b|inf
        } else {
            constexpr double largest = 32768;
            const double a2 = static_cast<double>(lhs.at(0, (k - lhs_first) / norm_step)),
                         b2 = static_cast<double>(rhs.at(0, k / norm_step));
            const auto longest = static_cast<dim_t>(
                std::max(limit / (largest * largest), square / (largest * largest * std::min(a2, b2))) * (1 - 0x1p-16));
            const dim_t safe = std::max<dim_t>(atom_k, longest / atom_k * atom_k);
            for (end = std::min(k + norm_step, k_end); k + safe < end; k += safe) append(k, k + safe);
            append(k, end);
        }
        k = end;
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
