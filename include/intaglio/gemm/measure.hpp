// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums of squares for the norms of proven chains (norms.hpp), over rows that lie contiguous and over packed pairs.
// Archs with a pairwise multiply-add measure with their atom's `add_squares`; the plain text beside it gives the same
// numbers.

#include <algorithm>
#include <cstdint>

#include "intaglio/gemm/norms.hpp"
#include "intaglio/simd/lane_sums.hpp"
#include "intaglio/simd/native.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// The largest magnitude of `count` numbers.
inline std::int32_t largest_magnitude(const std::int16_t* x, dim_t count) {
    std::int16_t low = 0, high = 0;
    for (const std::int16_t* const end = x + count; x != end; ++x) {
        low = std::min(low, *x);
        high = std::max(high, *x);
    }
    return std::max<std::int32_t>(high, -std::int32_t{low});
}

template <class Atom>
constexpr bool measures = requires(typename Atom::accumulator a, typename Atom::rhs_fragment r) {
    Atom::add_squares(a, r);
};

/// From the sums of pieces of level First, one after the other, those of the longer pieces that they complete.
template <class Sums, int First = 0>
class piece_levels {
public:
    /// f(level, piece, sums) for a piece of level First and for each longer one that ends with it, or with the `last`.
    template <class F>
    INTAGLIO_INLINE void add(dim_t piece, Sums sums, bool last, F&& f) {
        f(First, piece, sums);
        for (int level = First + 1; level < norm_levels; ++level) {
            const bool second = (piece >> (level - First - 1)) % 2 != 0;
            if (second) sums += first_[level];
            first_[level] = sums;
            if (!second && !last) return;
            f(level, piece >> (level - First), sums);
        }
    }

private:
    Sums first_[norm_levels] = {}; ///< half of a piece
};

/// Elements of a row whose squares are summed.
inline constexpr dim_t square_piece = 8;
/// Elements of a row that are squared at a time: whole registers, and whole pieces of level First that are measured.
template <class Atom, int First = 0>
constexpr dim_t square_group = std::max<dim_t>(norm_step << First, Atom::n* Atom::k);
/// Registers of a row whose squares are added up before anything else.
template <class Atom, int First>
constexpr dim_t squares_together = std::max<dim_t>(1,
                                                   (norm_step << First) / std::max<dim_t>(norm_step, Atom::n* Atom::k));

/// sums[p][r] = the squares of square_piece elements of a group of row r, the p-th, or of as many of each of several
/// registers of a long piece; only elements where `keep` has ones, if it is given.
template <class Atom, int First = 0>
INTAGLIO_INLINE void square_rows(const std::int16_t* a, const std::int16_t* b, const std::int16_t* c,
                                 const std::int16_t* d, simd::four_lanes* sums, const std::int16_t* keep = nullptr) {
    constexpr dim_t group = square_group<Atom, First>, width = Atom::n * Atom::k,
                    together = squares_together<Atom, First>;
    if constexpr (measures<Atom>) {
        using fragment = typename Atom::rhs_fragment;
        using words = simd::vector<std::int16_t, sizeof(fragment) / sizeof(std::int16_t)>;
        for (dim_t e = 0; e < group; e += together * width) {
            const auto squares = [&](const std::int16_t* row) __attribute__((always_inline)) {
                auto sum = Atom::zero();
                for (dim_t i = e; i < e + together * width; i += width) {
                    const fragment r = Atom::load_rhs(row + i);
                    Atom::add_squares(sum, keep ? reinterpret_cast<fragment>(reinterpret_cast<words>(r) &
                                                                             simd::load_vector<words>(keep + i))
                                                : r);
                }
                return sum;
            };
            simd::sum_fours(squares(a), squares(b), squares(c), squares(d), sums + e / together / square_piece);
        }
    } else {
        for (dim_t p = 0; p < group / together / square_piece; ++p) sums[p] = simd::four_lanes{};
        for (dim_t e = 0; e < group; ++e) {
            if (keep && keep[e] == 0) continue;
            const simd::four_lanes part = {a[e] >> 4, b[e] >> 4, c[e] >> 4, d[e] >> 4};
            simd::four_lanes& sum = sums[e / together / square_piece];
            sum = sum + part * part;
        }
    }
}

/// Raises `most` by the squares of `rows` rows of `columns` contiguous elements, `stride` apart; pieces shorter than
/// those of level First are left alone. Behind each row there are elements of a whole group that may be read, if so
/// `followed`.
template <class Atom, int First = 0>
void measure_rows(const std::int16_t* data, dim_t rows, dim_t stride, dim_t columns, square_sums& most,
                  bool followed = false) {
    constexpr dim_t group = square_group<Atom, First>, piece = norm_step << First,
                    sums_of_piece = piece / squares_together<Atom, First> / square_piece;
    std::int16_t keep[static_cast<std::size_t>(group)] = {}; // of the last elements
    std::fill_n(keep, columns % group, std::int16_t{-1});
    for (dim_t i = 0; i < rows; i += 4) { // the last row again where there are no four
        const std::int16_t *a = data + i * stride, *b = data + std::min(i + 1, rows - 1) * stride,
                           *c = data + std::min(i + 2, rows - 1) * stride,
                           *d = data + std::min(i + 3, rows - 1) * stride;
        piece_levels<simd::four_lanes, First> levels;
        const auto add = [&](dim_t first, const simd::four_lanes* sums) __attribute__((always_inline)) {
            for (dim_t p = 0; p < group / piece && first + p * piece < columns; ++p, sums += sums_of_piece) {
                simd::four_lanes sum = sums[0];
                for (dim_t e = 1; e < sums_of_piece; ++e) sum = sum + sums[e];
                levels.add(first / piece + p, sum, first + (p + 1) * piece >= columns,
                           [&](int level, dim_t at, simd::four_lanes s) { most.at(level, at).raise(s); });
            }
        };
        simd::four_lanes sums[static_cast<std::size_t>(group / square_piece)];
        dim_t first = 0;
        for (; first + group <= columns; first += group) {
            square_rows<Atom, First>(a + first, b + first, c + first, d + first, sums);
            add(first, sums);
        }
        if (first < columns && followed) {
            square_rows<Atom, First>(a + first, b + first, c + first, d + first, sums, keep);
            add(first, sums);
        } else if (first < columns) { // beside zeros
            std::int16_t rest[4][static_cast<std::size_t>(group)] = {};
            const std::int16_t* from[] = {a, b, c, d};
            for (int r = 0; r < 4; ++r) std::copy_n(from[r] + first, columns - first, rest[r]);
            square_rows<Atom, First>(rest[0], rest[1], rest[2], rest[3], sums);
            add(first, sums);
        }
    }
}

/// Raises `most` by the squares of Atom::n columns of `length` elements: packed in pairs, Atom::n of them in a step,
/// `step_stride` elements from step to step.
template <class Atom>
void measure_pairs(const std::int16_t* pairs, dim_t length, dim_t step_stride, square_sums& most) {
    static_assert(Atom::k == 2 && Atom::m == 1);
    using sums_type = simd::vector<std::int32_t, Atom::n>;
    piece_levels<sums_type> levels;
    const dim_t pieces = ceil_div(length, norm_step);
    for (dim_t p = 0; p < pieces; ++p) {
        const dim_t steps = ceil_div(std::min(norm_step, length - p * norm_step), dim_t{2});
        const std::int16_t* v = pairs + p * (norm_step / 2) * step_stride;
        sums_type sums = {};
        if constexpr (measures<Atom>) {
            auto s = Atom::zero();
            for (dim_t step = 0; step < steps; ++step) Atom::add_squares(s, Atom::load_rhs(v + step * step_stride));
            sums = reinterpret_cast<sums_type>(s);
        } else {
            for (dim_t step = 0; step < steps; ++step)
                for (int e = 0; e < 2 * Atom::n; ++e)
                    sums[e / 2] += (v[step * step_stride + e] >> 4) * (v[step * step_stride + e] >> 4);
        }
        levels.add(p, sums, p + 1 == pieces, [&](int level, dim_t piece, sums_type s) {
            most.at(level, piece).raise(simd::largest_of_fours(s));
        });
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
