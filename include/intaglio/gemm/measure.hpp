// SPDX-License-Identifier: Apache-2.0
#pragma once

// Norms of packed int16 pairs (chains.hpp says what for). The pairs of a column lie together as an atom reads them, so archs with a pairwise
// multiply-add measure with it (`add_norms`); the plain text beside it gives the same numbers.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "intaglio/gemm/chains.hpp"
#include "intaglio/simd/native.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// The largest norms of any of Atom::n columns, over `steps` <= norm_step / 2 pairs of each; steps lie `step_stride` elements apart.
template <class Atom>
piece_norms measure_pairs(const std::int16_t* pairs, index steps, index step_stride) {
    static_assert(Atom::k == 2 && Atom::m == 1);
    std::int32_t squares[Atom::n] = {}, l1[Atom::n] = {};
    std::uint16_t largest[2 * Atom::n] = {};
    if constexpr (requires(typename Atom::accumulator a, typename Atom::rhs_fragment r) { Atom::add_norms(a, a, a, r); }) {
        auto s = Atom::zero(), l = Atom::zero(), most = Atom::zero();
        for (index step = 0; step < steps; ++step) Atom::add_norms(s, l, most, Atom::load_rhs(pairs + step * step_stride));
        Atom::store(s, squares, Atom::n);
        Atom::store(l, l1, Atom::n);
        std::int32_t lanes[Atom::n];
        Atom::store(most, lanes, Atom::n);
        static_assert(sizeof lanes == sizeof largest);
        std::copy_n(reinterpret_cast<const unsigned char*>(lanes), sizeof lanes, reinterpret_cast<unsigned char*>(largest));
    } else {
        for (index step = 0; step < steps; ++step)
            for (int e = 0; e < 2 * Atom::n; ++e) {
                const int v = pairs[step * step_stride + e], magnitude = v < 0 ? -v : v;
                squares[e / 2] += (magnitude >> 3) * (magnitude >> 3);
                l1[e / 2] += magnitude;
                largest[e] = std::max(largest[e], static_cast<std::uint16_t>(magnitude));
            }
    }
    piece_norms n;
    std::int32_t most_squares = 0, most_l1 = 0, most = 0;
    for (int j = 0; j < Atom::n; ++j) {
        most_squares = std::max(most_squares, squares[j]);
        most_l1 = std::max(most_l1, l1[j]);
    }
    for (int e = 0; e < 2 * Atom::n; ++e) most = std::max<std::int32_t>(most, largest[e]);
    n.largest = static_cast<float>(most);
    n.l1 = round_norm_up(static_cast<float>(most_l1));
    n.l2 = l2_of_eighths(most_squares, 2 * steps, n.largest);
    return n;
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
