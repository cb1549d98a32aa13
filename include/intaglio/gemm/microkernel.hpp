// SPDX-License-Identifier: Apache-2.0
#pragma once

// The micro-kernel: one register tile of the output over one block of the reduction, chain by chain. This is the only kernel text
// of the library; every format and instruction set is an instantiation of it.
//
//   for each chain:   tile = 0;   tile += lhs steps x rhs steps;   totals (+)= tile * scale        <- the flush
//
// The totals of a tile (rows x cols, row-major) lie in L1 during the call. FP32 has no flush: its chain goes on from block to block, so that
// each output is one sequence of fused multiply-adds whatever the blocking.

#include <span>

#include "intaglio/gemm/audit.hpp"
#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/pack.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// What a flush needs beside the sums.
template <class Traits>
struct flush_scales {
    using block_scale = typename packed_rhs<typename Traits::policy, typename Traits::arch>::block_scale;
    const block_scale* rhs = nullptr; ///< of the panel, scales_per_run for each scale index; nullptr where they are folded into the digits
    const float* lhs = nullptr;       ///< of the tile's first row, one for each block, `lhs_stride` from row to row; nullptr where lhs has none
    index lhs_stride = 0;
    index rows = 0; ///< rows of the tile that exist
};

/// totals (+)= sums * 2^shift, in exact integers.
template <class Traits, int Rows>
INTAGLIO_INLINE void flush_exact(const typename Traits::lane* __restrict sums, typename Traits::total* __restrict totals, int shift, bool fresh) {
    using total = typename Traits::total;
    constexpr int count = Rows * Traits::cols;
    if (fresh)
        for (int e = 0; e < count; ++e) totals[e] = static_cast<total>(static_cast<total>(sums[e]) * (total{1} << shift));
    else
        for (int e = 0; e < count; ++e) totals[e] += static_cast<total>(static_cast<total>(sums[e]) * (total{1} << shift));
}

/// totals (+)= sums * scale of the column's block, in exact integers.
template <class Traits, int Rows, class Scale>
INTAGLIO_INLINE void flush_scaled(const typename Traits::lane* __restrict sums, typename Traits::total* __restrict totals, const Scale* __restrict scales,
                                  bool fresh) {
    using total = typename Traits::total;
    constexpr int step = Traits::scales_in_flush ? 2 : 1; // scales come in pairs where an atom wants them so
    for (int i = 0; i < Rows; ++i)
        for (int j = 0; j < Traits::cols; ++j) {
            const int e = i * Traits::cols + j;
            const total product = static_cast<total>(sums[e]) * static_cast<total>(scales[j * step]);
            totals[e] = fresh ? product : totals[e] + product;
        }
}

/// totals = fma(float(sums), lhs scale * rhs scale, totals): the fixed order of a float total.
template <class Traits, int Rows>
INTAGLIO_INLINE void flush_float(const typename Traits::lane* __restrict sums, float* __restrict totals, const flush_scales<Traits>& scales, int scale, bool fresh) {
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

/// One chain of planes (LhsPlane, RhsPlane): zero, multiply, and store the sums, or flush them at once where the atom does that and nobody checks.
template <class Traits, int Down, int LhsPlane, int RhsPlane>
INTAGLIO_INLINE void run_chain(const lhs_panel<typename Traits::lhs_digit>& lhs, const typename Traits::rhs_digit* panel, const chain& c,
                               const flush_scales<Traits>& scales, typename Traits::lane* sums, typename Traits::total* totals, bool fresh, bool checked) {
    using atom = typename Traits::template plane_atom<LhsPlane, RhsPlane>;
    simd::register_tile<atom, Down, Traits::tile::across> tile;
    const auto* b = reinterpret_cast<const typename atom::rhs*>(panel + c.offset);
    if constexpr (Traits::floats)
        if (!fresh) tile.load(totals);
    if (!Traits::floats || fresh) tile.zero();
    for (segment_walk piece(lhs, c.lhs_plane, c.k, c.steps * Traits::k); piece.next();) {
        const index steps = piece.length / Traits::k;
        tile.run(reinterpret_cast<const typename atom::lhs*>(piece.data), lhs.row_stride, lhs.step_stride, b, steps);
        b += steps * Traits::k * Traits::cols;
    }
    if constexpr (Traits::floats) {
        tile.store(totals);
    } else {
        if constexpr (Traits::scales_in_flush)
            if (scales.rhs && !checked) return tile.multiply_add(totals, scales.rhs + c.scale * 2 * Traits::cols, sums);
        tile.store(sums);
    }
}

/// Runs `chains` on a tile of Down atoms of rows. `fresh` starts the totals; otherwise they are continued. `sums` is scratch, and where it returns true
/// the only chain's sums are the totals and lie there still (`totals` was not written): the common case of one exact chain.
template <class Traits, int Down>
bool microkernel(const lhs_panel<typename Traits::lhs_digit>& lhs, const typename Traits::rhs_digit* panel, std::span<const chain> chains,
                 const flush_scales<Traits>& scales, typename Traits::lane* __restrict sums, typename Traits::total* __restrict totals, bool fresh, bool only,
                 audit* check) {
    constexpr int rows = Down * Traits::atom::m;
    const bool checked = check != nullptr;
    // An empty reduction leaves zeros; a flush that multiplies adds to them.
    if (fresh && ((Traits::scales_in_flush && scales.rhs) || chains.empty())) std::fill_n(totals, rows * Traits::cols, typename Traits::total{0});
    for (const chain& c : chains) {
        if constexpr (Traits::lhs_planes == 2 && is_byte<typename Traits::lhs_digit>) {
            if (c.lhs_plane == 0 && c.rhs_plane == 0)
                run_chain<Traits, Down, 0, 0>(lhs, panel, c, scales, sums, totals, fresh, checked);
            else if (c.lhs_plane == 0)
                run_chain<Traits, Down, 0, 1>(lhs, panel, c, scales, sums, totals, fresh, checked);
            else if (c.rhs_plane == 0)
                run_chain<Traits, Down, 1, 0>(lhs, panel, c, scales, sums, totals, fresh, checked);
            else
                run_chain<Traits, Down, 1, 1>(lhs, panel, c, scales, sums, totals, fresh, checked);
        } else {
            run_chain<Traits, Down, 0, 0>(lhs, panel, c, scales, sums, totals, fresh, checked);
        }
        if constexpr (!Traits::floats) {
            if (check) check->template count<Traits, rows>(lhs, panel, c, sums);
            if (Traits::integer_scales && scales.rhs) {
                if constexpr (Traits::integer_scales)
                    if (!Traits::scales_in_flush || checked)
                        flush_scaled<Traits, rows>(sums, totals, scales.rhs + c.scale * (Traits::scales_in_flush ? 2 : 1) * Traits::cols, fresh);
            } else if constexpr (Traits::float_total) {
                flush_float<Traits, rows>(sums, totals, scales, c.scale, fresh);
            } else {
                if (only && fresh && chains.size() == 1 && c.shift == 0) return true;
                flush_exact<Traits, rows>(sums, totals, c.shift, fresh);
            }
        }
        fresh = false;
    }
    return false;
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
