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

/// From the sums of pieces, one after the other, those of the longer pieces that they complete.
template <class Sums>
class piece_levels {
public:
    /// f(level, piece, sums) for a piece of the shortest level and for each longer one that ends with it, or with the
    /// `last`.
    template <class F>
    INTAGLIO_INLINE void add(dim_t piece, Sums sums, bool last, F&& f) {
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
    Sums first_[norm_levels] = {}; ///< half of a piece
};

/// Elements of a row whose squares are summed.
inline constexpr dim_t square_piece = 8;
/// Elements of a row that are squared at a time: whole registers, and whole pieces that are measured.
template <class Atom>
constexpr dim_t square_group = std::max<dim_t>(norm_step, Atom::n* Atom::k);

/// sums[p][r] = the squares of the p-th square_piece of square_group elements of row r; only elements where `keep` has
/// ones, if it is given.
template <class Atom>
INTAGLIO_INLINE void square_rows(const std::int16_t* a, const std::int16_t* b, const std::int16_t* c,
                                 const std::int16_t* d, simd::four_lanes* sums, const std::int16_t* keep = nullptr) {
    constexpr dim_t group = square_group<Atom>;
    if constexpr (measures<Atom>) {
        using fragment = typename Atom::rhs_fragment;
        using words = simd::vector<std::int16_t, sizeof(fragment) / sizeof(std::int16_t)>;
        for (dim_t e = 0; e < group; e += Atom::n * Atom::k) {
            const auto squares = [&](const std::int16_t* row) __attribute__((always_inline)) {
                const fragment r = Atom::load_rhs(row + e);
                auto sum = Atom::zero();
                Atom::add_squares(sum, keep ? reinterpret_cast<fragment>(reinterpret_cast<words>(r) &
                                                                         simd::load_vector<words>(keep + e))
                                            : r);
                return sum;
            };
            simd::sum_fours(squares(a), squares(b), squares(c), squares(d), sums + e / square_piece);
        }
    } else {
        for (dim_t p = 0; p < group / square_piece; ++p) sums[p] = simd::four_lanes{};
        for (dim_t e = 0; e < group; ++e) {
            if (keep && keep[e] == 0) continue;
            const simd::four_lanes part = {a[e] >> 4, b[e] >> 4, c[e] >> 4, d[e] >> 4};
            sums[e / square_piece] = sums[e / square_piece] + part * part;
        }
    }
}

/// Raises `most` by the squares of `rows` rows of `columns` contiguous elements, `stride` apart. Behind each row there
/// are elements of a whole group that may be read, if so `followed`.
template <class Atom>
void measure_rows(const std::int16_t* data, dim_t rows, dim_t stride, dim_t columns, square_sums& most,
                  bool followed = false) {
    constexpr dim_t group = square_group<Atom>;
    static_assert(norm_step == 2 * square_piece);
    std::int16_t keep[static_cast<std::size_t>(group)] = {}; // of the last elements
    std::fill_n(keep, columns % group, std::int16_t{-1});
    for (dim_t i = 0; i < rows; i += 4) { // the last row again where there are no four
        const std::int16_t *a = data + i * stride, *b = data + std::min(i + 1, rows - 1) * stride,
                           *c = data + std::min(i + 2, rows - 1) * stride,
                           *d = data + std::min(i + 3, rows - 1) * stride;
        piece_levels<simd::four_lanes> levels;
        const auto add = [&](dim_t first, const simd::four_lanes* sums) __attribute__((always_inline)) {
            for (dim_t p = 0; p < group / norm_step && first + p * norm_step < columns; ++p)
                levels.add(first / norm_step + p, sums[2 * p] + sums[2 * p + 1], first + (p + 1) * norm_step >= columns,
                           [&](int level, dim_t piece, simd::four_lanes s) { most.at(level, piece).raise(s); });
        };
        simd::four_lanes sums[static_cast<std::size_t>(group / square_piece)];
        dim_t first = 0;
        for (; first + group <= columns; first += group) {
            square_rows<Atom>(a + first, b + first, c + first, d + first, sums);
            add(first, sums);
        }
        if (first < columns && followed) {
            square_rows<Atom>(a + first, b + first, c + first, d + first, sums, keep);
            add(first, sums);
        } else if (first < columns) { // beside zeros
            std::int16_t rest[4][static_cast<std::size_t>(group)] = {};
            const std::int16_t* from[] = {a, b, c, d};
            for (int r = 0; r < 4; ++r) std::copy_n(from[r] + first, columns - first, rest[r]);
            square_rows<Atom>(rest[0], rest[1], rest[2], rest[3], sums);
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
