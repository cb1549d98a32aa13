// SPDX-License-Identifier: Apache-2.0
#pragma once

// The micro-kernel: one register tile of the output over one block of the reduction, chain by chain. This is the only
// kernel text of the library; every format and instruction set is an instantiation of it. What happens between two
// chains is the flush, one of three:
//
//   through   nothing: the sums are the totals and go on, also from block to block. For float, and for int32 and
//             wider sums without scales
//   carry     high += sum >> 16, sum &= 2^16 - 1. Only the high part goes to memory, and the next chain starts from
//             the low one: the sum of the block is high * 2^16 + low. For int16 in proven chains
//   scaled    total += sum * scale, sum = 0. For scales per block and planes with shifts
//
// The totals of a tile (rows x cols, row-major) lie in L1 during the call.

#include <span>

#include "intaglio/gemm/audit.hpp"
#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/gemm/lhs_panel.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// What a flush needs beside the sums.
template <class Traits>
struct flush_scales {
    /// Of the panel, one for each column and scale index; nullptr where they are folded into the digits.
    const typename Traits::block_scale* rhs = nullptr;
    /// Of the tile's first row, one for each block, `lhs_stride` from row to row; nullptr where lhs has none.
    const float* lhs = nullptr;
    dim_t lhs_stride = 0;
    dim_t rows = 0; ///< rows of the tile that exist
};

/// totals (+)= sums * 2^shift, in exact integers.
template <class Traits, int Rows>
INTAGLIO_INLINE void flush_exact(const typename Traits::lane* __restrict sums,
                                 typename Traits::total* __restrict totals, int shift, bool fresh) {
    using total = typename Traits::total;
    constexpr int count = Rows * Traits::cols;
    if (fresh)
        for (int e = 0; e < count; ++e)
            totals[e] = static_cast<total>(static_cast<total>(sums[e]) * (total{1} << shift));
    else
        for (int e = 0; e < count; ++e)
            totals[e] += static_cast<total>(static_cast<total>(sums[e]) * (total{1} << shift));
}

/// totals (+)= sums * scale of the column's block, in exact integers.
template <class Traits, int Rows, class Scale>
INTAGLIO_INLINE void flush_scaled(const typename Traits::lane* __restrict sums,
                                  typename Traits::total* __restrict totals, const Scale* __restrict scales,
                                  bool fresh) {
    using total = typename Traits::total;
    for (int i = 0; i < Rows; ++i)
        for (int j = 0; j < Traits::cols; ++j) {
            const int e = i * Traits::cols + j;
            const total product = static_cast<total>(sums[e]) * static_cast<total>(scales[j]);
            totals[e] = fresh ? product : totals[e] + product;
        }
}

/// totals = fma(float(sums), lhs scale * rhs scale, totals): the fixed order of a float total.
template <class Traits, int Rows>
INTAGLIO_INLINE void flush_float(const typename Traits::lane* __restrict sums, float* __restrict totals,
                                 const flush_scales<Traits>& scales, int scale, bool fresh) {
    for (int i = 0; i < Rows; ++i) {
        float row_scale = 1.0F;
        if (scales.lhs && i < scales.rows) row_scale = scales.lhs[i * scales.lhs_stride + scale / Traits::rhs_planes];
        for (int j = 0; j < Traits::cols; ++j) {
            const int e = i * Traits::cols + j;
            float weight = 1.0F;
            if constexpr (Traits::block > 0) weight = row_scale * scales.rhs[scale * Traits::cols + j];
            totals[e] = __builtin_fmaf(static_cast<float>(sums[e]), weight, fresh ? 0.0F : totals[e]);
        }
    }
}

/// tile += the products of one chain.
template <class Traits, class Tile, class Digit>
INTAGLIO_INLINE void multiply_chain(Tile& tile, const lhs_panel<typename Traits::lhs_digit>& lhs,
                                    segment_walk<typename Traits::lhs_digit>& piece, const Digit* panel,
                                    const chain& c) {
    const auto* b = reinterpret_cast<const typename Tile::rhs*>(panel + c.offset);
    for (piece.begin(c.lhs_plane, c.k, c.steps * Traits::k); piece.next();) {
        tile.run(reinterpret_cast<const typename Tile::lhs*>(piece.data), lhs.row_stride, lhs.step_stride,
                 b + piece.offset * Traits::cols, piece.length / Traits::k);
    }
}
/// The same where the tile expands narrow digits, of which each chain is the whole run of a block and lhs has no
/// segments.
template <class Traits, class Tile, int Bits>
INTAGLIO_INLINE void multiply_chain(Tile& tile, const lhs_panel<typename Traits::lhs_digit>& lhs,
                                    segment_walk<typename Traits::lhs_digit>&, simd::narrow_codes<Bits> panel,
                                    const chain& c) {
    panel.corrections += c.scale / Traits::rhs_planes;
    tile.run(reinterpret_cast<const typename Tile::lhs*>(lhs.data + (c.k - lhs.first) * lhs.k_scale), lhs.row_stride,
             lhs.step_stride, panel + c.offset, c.steps);
}

/// The register tile of Down x Across atoms for the products of two planes.
template <class Traits, int Down, int Across, int LhsPlane, int RhsPlane>
using tile_of_planes =
    simd::register_tile<typename Traits::template plane_atom<LhsPlane, RhsPlane>, Down, Across, Traits::tile::across>;

/// The high parts before the first carry, and totals before the first block.
template <class Traits>
alignas(64) inline constexpr
    typename Traits::lane no_sums[Traits::carries || Traits::scales_in_flush ? Traits::tile_size : 1] = {};

/// The sums of a tile in memory: where they come from if they go on, and where they are kept. (register_output.hpp has
/// what takes them to the output instead.)
template <class Traits>
struct kept_sums {
    typename Traits::lane* sums;
    template <class Tile>
    INTAGLIO_INLINE void start(Tile& tile, bool fresh) const {
        if constexpr (Traits::through)
            if (!fresh) return tile.load(sums);
        tile.zero();
    }
    template <class Tile>
    INTAGLIO_INLINE void end(Tile& tile, const typename Traits::lane* /*high*/) const {
        tile.store(sums);
    }
    template <class Tile>
    INTAGLIO_INLINE void end_scaled(Tile& tile, const std::int32_t* from, const std::uint8_t* scales) const {
        tile.multiply_add(from, scales, sums);
    }
};

// A flush says what happens to a tile's sums before the first chain, between two and behind the last.

/// through and carry: sums go on, in two parts where totals are; the next chain of proven ones starts from the low
/// part.
template <class Traits, class Sums>
struct continued_flush {
    Sums sums;
    typename Traits::lane* high;                            ///< where sums are carried to
    bool fresh;                                             ///< starts the sums, which otherwise go on
    const typename Traits::lane* carried = no_sums<Traits>; ///< by the chains before

    template <class Tile>
    INTAGLIO_INLINE void start(Tile& tile) const {
        sums.start(tile, fresh);
    }
    template <class Tile>
    INTAGLIO_INLINE void between(Tile& tile, const chain& /*before*/) {
        if constexpr (Traits::carries) {
            tile.carry(carried, high);
            carried = high;
        }
    }
    template <class Tile>
    INTAGLIO_INLINE void end(Tile& tile, std::span<const chain> chains) const {
        sums.end(tile, Traits::carries && chains.size() > 1 ? high : nullptr);
    }
};

/// scaled: chains of blocks that have 8-bit scales, at least one, by atoms that multiply their sums by them while
/// widening. Between chains the sums are in `totals`.
template <class Traits, class Sums>
struct scaled_flush {
    Sums sums;
    const std::uint8_t* scales;
    typename Traits::total* totals;
    const std::int32_t* from; ///< what the sums are added to: `totals`, or zeros before the first chain

    scaled_flush(Sums sums_, const std::uint8_t* scales_, typename Traits::total* totals_, bool fresh)
        : sums(sums_), scales(scales_), totals(totals_), from(fresh ? no_sums<Traits> : totals_) {}

    template <class Tile>
    INTAGLIO_INLINE void start(Tile& tile) const {
        tile.zero();
    }
    template <class Tile>
    INTAGLIO_INLINE void between(Tile& tile, const chain& before) {
        tile.multiply_add(from, scales + before.scale * Traits::cols, totals);
        from = totals;
        tile.zero();
    }
    template <class Tile>
    INTAGLIO_INLINE void end(Tile& tile, std::span<const chain> chains) const {
        sums.end_scaled(tile, from, scales + chains.back().scale * Traits::cols);
    }
};

/// Runs chains of planes (LhsPlane, RhsPlane). Not inlined: a tile takes all registers, and leaves none to the loops of
/// a caller.
template <class Traits, int Down, int Across = Traits::tile::across, int LhsPlane = 0, int RhsPlane = 0, class Panel,
          class Flush>
[[gnu::noinline]] void run_chains(const lhs_panel<typename Traits::lhs_digit>& lhs, Panel panel,
                                  std::span<const chain> chains, Flush flush) {
    tile_of_planes<Traits, Down, Across, LhsPlane, RhsPlane> tile;
    flush.start(tile);
    segment_walk walk(lhs);
    for (auto c = chains.begin(); c != chains.end(); flush.between(tile, c[-1])) {
        multiply_chain<Traits>(tile, lhs, walk, panel, *c);
        if (++c == chains.end()) break;
    }
    flush.end(tile, chains);
}
/// One chain whose sums are new, to memory.
template <class Traits, int Down, int LhsPlane, int RhsPlane, class Panel>
INTAGLIO_INLINE void run_chain(const lhs_panel<typename Traits::lhs_digit>& lhs, Panel panel, const chain& c,
                               typename Traits::lane* sums) {
    run_chains<Traits, Down, Traits::tile::across, LhsPlane, RhsPlane>(
        lhs, panel, {&c, 1}, continued_flush<Traits, kept_sums<Traits>>{{sums}, nullptr, true});
}

/// Sums that go on: all chains in one call, or one by one where each is shadowed.
template <class Traits, int Down, int Across, class Panel>
void continue_sums(const lhs_panel<typename Traits::lhs_digit>& lhs, Panel panel, std::span<const chain> chains,
                   typename Traits::lane* sums, typename Traits::lane* high, bool fresh, audit* check) {
    constexpr dim_t rows = Down * Traits::atom::m, count = rows * Traits::cols;
    using lane = typename Traits::lane;
    if constexpr (!Traits::floats && std::is_pointer_v<Panel>) // narrow digits are never shadowed
        if (check && !chains.empty()) {
            if (Traits::carries && chains.size() > 1) std::fill_n(high, count, lane{0});
            if (fresh) std::fill_n(sums, count, lane{0});
            for (const chain& c : chains) {
                if constexpr (Traits::carries)
                    for (dim_t e = 0; e < (&c == chains.data() ? 0 : count); ++e) simd::carry(sums[e], high[e]);
                const std::vector<lane> before(sums, sums + count);
                run_chains<Traits, Down, Across>(lhs, panel, {&c, 1},
                                                 continued_flush<Traits, kept_sums<Traits>>{{sums}, high, false});
                check->template count<Traits>(lhs, panel, c, before.data(), sums, rows);
            }
            return;
        }
    run_chains<Traits, Down, Across>(lhs, panel, chains,
                                     continued_flush<Traits, kept_sums<Traits>>{{sums}, high, fresh});
}

/// Sums that are multiplied chain by chain, in the accumulator's registers where the atom can and nobody looks.
template <class Traits, int Down, class Panel>
void flush_sums(const lhs_panel<typename Traits::lhs_digit>& lhs, Panel panel, std::span<const chain> chains,
                const flush_scales<Traits>& scales, typename Traits::total* totals, bool fresh, audit* check) {
    constexpr int rows = Down * Traits::atom::m;
    if (chains.empty()) {
        if (fresh) std::fill_n(totals, rows * Traits::cols, typename Traits::total{0});
        return;
    }
    if constexpr (Traits::scales_in_flush)
        if (!check)
            return run_chains<Traits, Down>(
                lhs, panel, chains, scaled_flush<Traits, kept_sums<Traits>>{{totals}, scales.rhs, totals, fresh});
    alignas(64) typename Traits::lane sums[rows * Traits::cols];
    for (const chain& c : chains) {
        if constexpr (Traits::lhs_planes == 2 && is_byte<typename Traits::lhs_digit>) {
            if (c.lhs_plane == 0 && c.rhs_plane == 0)
                run_chain<Traits, Down, 0, 0>(lhs, panel, c, sums);
            else if (c.lhs_plane == 0)
                run_chain<Traits, Down, 0, 1>(lhs, panel, c, sums);
            else if (c.rhs_plane == 0)
                run_chain<Traits, Down, 1, 0>(lhs, panel, c, sums);
            else
                run_chain<Traits, Down, 1, 1>(lhs, panel, c, sums);
        } else {
            run_chain<Traits, Down, 0, 0>(lhs, panel, c, sums);
        }
        if constexpr (std::is_pointer_v<Panel>)
            if (check) check->template count<Traits>(lhs, panel, c, nullptr, sums, rows);
        if constexpr (Traits::integer_scales) {
            constexpr bool scaled = Traits::through || !Traits::can_fold_scales;
            if (scaled || scales.rhs)
                flush_scaled<Traits, rows>(sums, totals, scales.rhs + c.scale * Traits::cols, fresh);
            else // folded
                flush_exact<Traits, rows>(sums, totals, 0, fresh);
        } else if constexpr (Traits::float_total)
            flush_float<Traits, rows>(sums, totals, scales, c.scale, fresh);
        else
            flush_exact<Traits, rows>(sums, totals, c.shift, fresh);
        fresh = false;
    }
}

/// Runs `chains` on a tile of Down x Across atoms, of which fewer than the panel has are multiplied only where
/// Traits::through; `Panel` is a pointer to digits or narrow_codes. `fresh` starts the sums; otherwise they are
/// continued. Sums that carry are those of one block: `sums` holds the low parts and `high` the high ones, if there is
/// more than one chain.
template <class Traits, int Down, int Across, class Panel>
INTAGLIO_INLINE void microkernel(const lhs_panel<typename Traits::lhs_digit>& lhs, Panel panel,
                                 std::span<const chain> chains, const flush_scales<Traits>& scales,
                                 typename Traits::block_total* sums, typename Traits::lane* high, bool fresh,
                                 audit* check) {
    if constexpr (Traits::through)
        if (!Traits::integer_scales || !scales.rhs)
            return continue_sums<Traits, Down, Across>(lhs, panel, chains, sums, high, fresh, check);
    if constexpr (!Traits::through || Traits::integer_scales)
        flush_sums<Traits, Down>(lhs, panel, chains, scales, sums, fresh, check);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
