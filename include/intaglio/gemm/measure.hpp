// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums of squares for the proof of chains (chains.hpp), over rows that lie contiguous and over packed pairs. Archs with a pairwise multiply-add measure with
// their atom's `add_squares`; the plain text beside it gives the same numbers.

#include <algorithm>
#include <cstdint>

#include "intaglio/gemm/chains.hpp"
#include "intaglio/simd/lane_sums.hpp"
#include "intaglio/simd/native.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Atom>
constexpr bool measures = requires(typename Atom::accumulator a, typename Atom::rhs_fragment r) { Atom::add_squares(a, r); };

/// From the sums of pieces, one after the other, those of the longer pieces that they complete.
template <class Sums>
class piece_levels {
public:
    /// f(level, piece, sums) for a piece of the shortest level and for each longer one that ends with it, or with the `last`.
    template <class F>
    INTAGLIO_INLINE void add(index piece, Sums sums, bool last, F&& f) {
        f(0, piece, sums);
        for (int level = 1; level < norm_levels; ++level) {
            const bool second = (piece >> (level - 1)) % 2 != 0;
            if (second) sums += first_[level];
            first_[level] = sums;
            if (!second && !last) return;
            f(level, piece >> level, sums);
        }
    }

private:
    Sums first_[norm_levels]; ///< half of a piece
};

/// Squares of four rows of `columns` contiguous elements each.
template <class Atom>
void measure_four_rows(const std::int16_t* const (&rows)[4], index columns, square_sums& most) {
    constexpr index group = std::max<index>(norm_step, Atom::n * Atom::k); // elements at a time: a register of the widest atoms has two pieces
    piece_levels<simd::four_lanes> levels;
    for (index first = 0; first < columns; first += group) {
        const index count = std::min(group, columns - first);
        std::int16_t rest[4][group] = {};
        const std::int16_t* v[4];
        for (int r = 0; r < 4; ++r) {
            v[r] = rows[r] + first;
            if (count < group) {
                std::copy_n(v[r], count, rest[r]);
                v[r] = rest[r];
            }
        }
        simd::four_lanes sums[group / norm_step];
        if constexpr (measures<Atom>) {
            typename Atom::accumulator s[4] = {Atom::zero(), Atom::zero(), Atom::zero(), Atom::zero()};
            for (int r = 0; r < 4; ++r)
                for (index e = 0; e < group; e += Atom::n * Atom::k) Atom::add_squares(s[r], Atom::load_rhs(v[r] + e));
            simd::sum_eights(s[0], s[1], s[2], s[3], sums);
        } else {
            for (index e = 0; e < group; ++e)
                for (int r = 0; r < 4; ++r) sums[e / norm_step][r] = (e % norm_step == 0 ? 0 : sums[e / norm_step][r]) + (v[r][e] >> 4) * (v[r][e] >> 4);
        }
        for (index p = 0; p * norm_step < count; ++p)
            levels.add(first / norm_step + p, sums[p], first + (p + 1) * norm_step >= columns,
                       [&](int level, index piece, simd::four_lanes s) { most.at(level, piece).raise(s); });
    }
}

/// Raises `most` by the squares of `rows` rows of `columns` contiguous elements, `stride` apart.
template <class Atom>
void measure_rows(const std::int16_t* data, index rows, index stride, index columns, square_sums& most) {
    for (index i = 0; i < rows; i += 4) { // the last row again where there are no four
        const std::int16_t* four[4];
        for (int r = 0; r < 4; ++r) four[r] = data + std::min(i + r, rows - 1) * stride;
        measure_four_rows<Atom>(four, columns, most);
    }
}

/// Raises `most` by the squares of Atom::n columns of `length` elements: packed in pairs, Atom::n of them in a step, `step_stride` elements from step to step.
template <class Atom>
void measure_pairs(const std::int16_t* pairs, index length, index step_stride, square_sums& most) {
    static_assert(Atom::k == 2 && Atom::m == 1);
    using sums_type = typename simd::int32_lanes<Atom::n>::type;
    piece_levels<sums_type> levels;
    const index pieces = ceil_div(length, norm_step);
    for (index p = 0; p < pieces; ++p) {
        const index steps = ceil_div(std::min(norm_step, length - p * norm_step), index{2});
        const std::int16_t* v = pairs + p * (norm_step / 2) * step_stride;
        sums_type sums = {};
        if constexpr (measures<Atom>) {
            auto s = Atom::zero();
            for (index step = 0; step < steps; ++step) Atom::add_squares(s, Atom::load_rhs(v + step * step_stride));
            sums = reinterpret_cast<sums_type>(s);
        } else {
            for (index step = 0; step < steps; ++step)
                for (int e = 0; e < 2 * Atom::n; ++e) sums[e / 2] += (v[step * step_stride + e] >> 4) * (v[step * step_stride + e] >> 4);
        }
        levels.add(p, sums, p + 1 == pieces, [&](int level, index piece, sums_type s) { most.at(level, piece).raise(simd::largest_of_fours(s)); });
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
