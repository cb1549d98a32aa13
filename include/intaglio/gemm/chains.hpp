// SPDX-License-Identifier: Apache-2.0
#pragma once

// Chains and their proof. A packed rhs is a list of *runs* (a piece of the reduction of one plane whose scale doesn't change); a product cuts runs
// into chains. For proven chains the cut follows from norms: whatever lies between two cuts, every sum of products obeys
//
//   |sum| <= min( max|a| * |b|_1 , |a|_2 * |b|_2 )        (Hoelder, Cauchy-Schwarz)
//
// and the bound of consecutive pieces adds up. The norms of rhs are kept per panel and `norm_step` elements of the reduction while packing; those of lhs are the largest
// over its rows, per `norm_step` as well. A chain is closed where the next piece would take the bound past 2^31 - 1. All norms are rounded up, so the proof
// holds in the floating-point numbers that carry it. The third bound, |a|_1 * max|b|, is left out: |a|_1 would cost the pass over
// lhs as much as the other two together, and it is the smallest only for rows of a few spikes.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Elements of the reduction that share one entry of the norm tables. Shorter pieces give longer chains at full 16 bits and cost more to measure.
inline constexpr index norm_step = 32;

/// A run of the packed rhs: elements [k, k + length) of the reduction, one plane, at `offset` digits from the panel's start.
struct rhs_run {
    index k = 0;
    index length = 0;
    index offset = 0;
    int plane = 0; ///< plane of the packed rhs
    int scale = 0; ///< index of the block scale: block * planes + plane
};

/// Consecutive steps of the atom that are summed in the accumulator and then flushed.
struct chain {
    index k = 0;      ///< first element of the reduction
    index steps = 0;  ///< steps of the atom
    index offset = 0; ///< of the first step in the packed panel, in digits
    int lhs_plane = 0;
    int rhs_plane = 0;
    int scale = 0;
    int shift = 0; ///< the weight of the planes' product is 2^shift
};

/// Norms of a piece of `norm_step` elements, the largest over the rows (of lhs) or the columns of a panel (of rhs).
struct piece_norms {
    float largest = 0; ///< max |v|
    float l1 = 0;      ///< sum |v|; not kept for lhs
    float l2 = 0;      ///< sqrt(sum v^2)
};

/// Rounds a norm up by a little more than the rounding of the few float operations that made it.
inline float round_norm_up(float v) { return v * (1.0F + 0x1p-18F); }

/// |v|_2 of `count` values, rounded up, from the sum of squares of |v| / 8 (truncated) and the largest magnitude.
inline float l2_of_eighths(std::int32_t squares, index count, float largest) {
    const float root = std::sqrt(static_cast<float>(count));
    const float l2 = 8.0F * std::sqrt(round_norm_up(static_cast<float>(squares))) + 8.0F * root;
    return std::min(l2, round_norm_up(largest * root));
}

/// Norms of the columns of a matrix of int16, a piece of norm_step columns at a time: the largest l2 norm that any row has in the piece, and the
/// largest magnitude of the whole matrix for all pieces. Sums of squares are taken of v / 8, so that they fit int32:
/// |v| <= 8 (|v >> 3| + 1), hence |v|_2 <= 8 |v >> 3|_2 + 8 sqrt(count).
class column_norms {
public:
    explicit column_norms(index columns) : columns_(columns), squares_(static_cast<std::size_t>((columns + norm_step - 1) / norm_step)) {}

    void add_row(const std::int16_t* row) {
        std::int16_t low = low_, high = high_;
        for (index c = 0; c < columns_; ++c) {
            low = std::min(low, row[c]);
            high = std::max(high, row[c]);
        }
        low_ = low;
        high_ = high;
        std::int32_t* most = squares_.data();
        index c = 0;
        for (; c + norm_step <= columns_; c += norm_step, ++most) *most = std::max(*most, eighth_squares(row + c, norm_step));
        if (c < columns_) *most = std::max(*most, eighth_squares(row + c, columns_ - c));
    }
    void merge(const column_norms& other) {
        low_ = std::min(low_, other.low_);
        high_ = std::max(high_, other.high_);
        for (std::size_t p = 0; p < squares_.size(); ++p) squares_[p] = std::max(squares_[p], other.squares_[p]);
    }
    std::vector<piece_norms> result() const {
        std::vector<piece_norms> norms(squares_.size());
        for (std::size_t p = 0; p < norms.size(); ++p) {
            const index count = std::min(norm_step, columns_ - static_cast<index>(p) * norm_step);
            norms[p].largest = static_cast<float>(std::max<std::int32_t>(high_, -static_cast<std::int32_t>(low_)));
            norms[p].l2 = l2_of_eighths(squares_[p], count, norms[p].largest);
        }
        return norms;
    }

private:
    static std::int32_t eighth_squares(const std::int16_t* v, index count) {
        std::int32_t sum = 0;
        for (index e = 0; e < count; ++e) {
            const auto eighth = static_cast<std::int16_t>(v[e] >> 3);
            sum += eighth * eighth;
        }
        return sum;
    }

    index columns_;
    std::int16_t low_ = 0, high_ = 0;
    std::vector<std::int32_t> squares_; ///< the largest of any row
};

/// The norms of a dense or evenly spaced matrix of int16 whose rows are contiguous.
inline std::vector<piece_norms> measure_columns(const std::int16_t* data, index rows, index row_stride, index columns, executor_ref exec) {
    const index tasks = std::clamp<index>(rows * columns / 16384, 1, 64);
    std::vector<column_norms> parts(static_cast<std::size_t>(tasks), column_norms(columns));
    exec.for_each(tasks, [&](index task, int) {
        for (index r = rows * task / tasks; r < rows * (task + 1) / tasks; ++r) parts[static_cast<std::size_t>(task)].add_row(data + r * row_stride);
    });
    for (index task = 1; task < tasks; ++task) parts.front().merge(parts[static_cast<std::size_t>(task)]);
    return parts.front().result();
}

/// most = the larger of both, norm by norm.
inline void raise(piece_norms& most, const piece_norms& n) {
    most.largest = std::max(most.largest, n.largest);
    most.l1 = std::max(most.l1, n.l1);
    most.l2 = std::max(most.l2, n.l2);
}

/// Bounds for one piece: how large any sum of products within it can get.
inline float piece_bound(const piece_norms& a, const piece_norms& b) { return std::min(a.largest * b.l1, a.l2 * b.l2); }

/// Cuts [k_begin, k_end) of one run into chains that can't overflow int32, appending them to `out`. `k_begin` is a multiple of
/// norm_step from the run's start; a piece that is too much by itself is cut by its largest magnitudes.
inline void cut_proven(const rhs_run& run, index k_begin, index k_end, int atom_k, int panel_cols, const piece_norms* lhs, const piece_norms* rhs,
                       std::vector<chain>& out) {
    constexpr double limit = 2147483647.0;
    const auto append = [&](index from, index to) {
        out.push_back({from, (to - from + atom_k - 1) / atom_k, run.offset + (from - run.k) * panel_cols, 0, run.plane, 0, 0});
    };
    index start = k_begin;
    double sum = 0;
    for (index k = k_begin; k < k_end; k += norm_step) {
        const index end = std::min(k + norm_step, k_end);
        const piece_norms& a = lhs[k / norm_step];
        const piece_norms& b = rhs[k / norm_step];
        const double bound = static_cast<double>(round_norm_up(round_norm_up(piece_bound(a, b))));
        if (sum + bound <= limit) {
            sum += bound;
            continue;
        }
        if (k > start) append(start, k);
        start = k;
        sum = bound;
        if (bound > limit) { // one piece alone is too much: L of its products are at most the least of the bounds below
            const double a_inf = static_cast<double>(a.largest), b_inf = static_cast<double>(b.largest);
            const double by_magnitude = limit / (a_inf * b_inf);                                           // L |a|inf |b|inf
            const double root = limit / std::min(a_inf * static_cast<double>(b.l2), static_cast<double>(a.l2) * b_inf); // sqrt(L) |a|inf |b|2
            const auto longest = static_cast<index>(std::max(by_magnitude, root * root) * (1 - 0x1p-16));
            const index safe = std::max<index>(atom_k, longest / atom_k * atom_k);
            for (; start + safe < end; start += safe) append(start, start + safe);
            append(start, end);
            start = end;
            sum = 0;
        }
    }
    if (start < k_end) append(start, k_end);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
