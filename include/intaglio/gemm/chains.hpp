// SPDX-License-Identifier: Apache-2.0
#pragma once

// Chains and their proof. A packed rhs is a list of *runs* (a piece of the reduction of one plane whose scale doesn't
// change); a product cuts runs into chains. For proven chains the cut follows from norms: whatever a chain sums up, in
// whatever order,
//
//   |sum| <= |a|_2 |b|_2        (Cauchy-Schwarz)
//
// for the part of a row of lhs and of a column of rhs that the chain takes (norms.hpp). A chain is closed where the
// next piece would take the bound past 2^31 - 1 less what a carry left.

#include <algorithm>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/norms.hpp"
#include "intaglio/gemm/rhs_layout.hpp"
#include "intaglio/simd/atom.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

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

/// Elements [from, to) of a run's reduction as one chain, of whole numbers without scales.
inline chain chain_of(const rhs_run& run, dim_t from, dim_t to, int atom_k, int panel_cols) {
    return {from, (to - from + atom_k - 1) / atom_k, run.offset + (from - run.k) * panel_cols, 0, run.plane, 0, 0};
}

/// Cuts [k_begin, k_end) of one run at `ends`, which ascend to k_end or beyond, appending the chains to `out`.
inline void cut_at(std::span<const dim_t> ends, const rhs_run& run, dim_t k_begin, dim_t k_end, int atom_k,
                   int panel_cols, std::vector<chain>& out) {
    auto next = std::upper_bound(ends.begin(), ends.end(), k_begin);
    for (dim_t k = k_begin; k < k_end; k = *next++)
        out.push_back(chain_of(run, k, std::min(*next, k_end), atom_k, panel_cols));
}

/// What a proven chain keeps to in magnitude, since it starts from the low part of a sum.
inline constexpr double longest_sum = 2147483647.0 - (1 << simd::carry_bits);

/// Cuts [k_begin, k_end) of one run into chains that can't overflow int32, appending them to `out`. `lhs` begins at
/// element `lhs_first`, `rhs` at the run's start, both at multiples of the longest piece. A piece that is too much by
/// itself is cut by the largest magnitudes there can be.
inline void cut_proven(const rhs_run& run, dim_t k_begin, dim_t k_end, int atom_k, int panel_cols,
                       const norm_table& lhs, dim_t lhs_first, const norm_table& rhs, std::vector<chain>& out) {
    constexpr double limit = longest_sum, square = limit * limit;
    const auto append = [&](dim_t from, dim_t to) { out.push_back(chain_of(run, from, to, atom_k, panel_cols)); };
    for (dim_t k = k_begin; k < k_end;) {
        double a = 0, b = 0;
        dim_t end = k;
        // adds the longest piece that begins here and is not known to be too much
        for (int most = norm_levels - 1; end < k_end;) {
            int level = most;
            while ((end & ((norm_step << level) - 1)) != 0) --level;
            const dim_t length = norm_step << level;
            const double more_a = a + static_cast<double>(lhs.at(level, piece_of(end - lhs_first, level))),
                         more_b = b + static_cast<double>(rhs.at(level, piece_of(end, level)));
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
