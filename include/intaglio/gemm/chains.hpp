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

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Elements of the reduction that share one entry of the norm tables.
inline constexpr index norm_step = 64;

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

/// The norms of `count` <= norm_step int16 values, with sum v^2 taken from v / 8 so that it fits int32:
/// |v| <= 8 (|v >> 3| + 1), hence |v|_2 <= 8 |v >> 3|_2 + 8 sqrt(count).
inline piece_norms measure_piece(const std::int16_t* v, index count) {
    std::int32_t squares = 0;
    std::int16_t low = 0, high = 0;
    for (index e = 0; e < count; ++e) {
        const auto eighth = static_cast<std::int16_t>(v[e] >> 3);
        squares += eighth * eighth;
        low = std::min(low, v[e]);
        high = std::max(high, v[e]);
    }
    piece_norms n;
    n.largest = static_cast<float>(std::max<std::int32_t>(high, -static_cast<std::int32_t>(low)));
    n.l2 = n.largest == 0 ? 0.0F : 8.0F * std::sqrt(round_norm_up(static_cast<float>(squares))) + 8.0F * std::sqrt(static_cast<float>(count));
    return n;
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
        if (bound > limit) { // one piece alone: as many products as the largest magnitudes allow, at least one step
            const double product = static_cast<double>(a.largest) * static_cast<double>(b.largest);
            const index safe = std::max<index>(atom_k, static_cast<index>(limit / product) / atom_k * atom_k);
            for (; start + safe < end; start += safe) append(start, start + safe);
            append(start, end);
            start = end;
            sum = 0;
        }
    }
    if (start < k_end) append(start, k_end);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
