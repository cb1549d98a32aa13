// SPDX-License-Identifier: Apache-2.0
#pragma once

// The five loops around the micro-kernel:
//
//   loop 1  jc   columns of the output in blocks of nc            } one task each, shared by the threads
//   loop 2  ic   rows of the output in blocks of mc               }
//   loop 3  pc   the reduction in blocks of kc                      <- the block of lhs is packed here, or read in place
//   loop 4  jr   panels of nr columns                               <- a panel of rhs (kc x nr) stays in L1
//   loop 5  ir   tiles of mr rows                                   <- microkernel.hpp
//
// The reduction lies inside the blocks of the output, unlike in BLIS: rhs is packed as a whole beforehand, and so the totals that wait for
// the next kc are one block's and stay in L2. A reduction of one kc needs none.

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/gemm/microkernel.hpp"
#include "intaglio/gemm/patch.hpp"
#include "intaglio/numeric/rescale.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// The reduction cut into blocks, and each block into chains: one list for all panels, or one per panel where chains are proven from norms.
template <class Traits>
class chain_plan {
public:
    using rhs_type = packed_rhs<typename Traits::policy, typename Traits::arch>;

    /// `lhs_norms` has one entry per norm_step elements of the reduction; used by proven chains only.
    chain_plan(const rhs_type& rhs, index kc, const std::vector<piece_norms>& lhs_norms, executor_ref exec) {
        const index k = rhs.k();
        index from = 0;
        do { // blocks end at multiples of the scale's block and of the norms' pieces
            index length = std::min(kc, k - from);
            if (from + length < k) {
                const index unit = Traits::block > 0 ? Traits::block : Traits::float_total && !Traits::floats ? Traits::longest_chain() : norm_step;
                length = std::min(k - from, std::max(unit, length / unit * unit));
            }
            blocks_.push_back({from, from + length});
            from += length;
        } while (from < k);
        lists_ = Traits::proven ? rhs.panels() : 1;
        chains_.resize(static_cast<std::size_t>(lists_) * blocks_.size());
        if constexpr (Traits::proven) {
            exec.for_each(ceil_div(lists_, 16), [&](index group, int) {
                for (index p = group * 16; p < std::min(lists_, group * 16 + 16); ++p)
                    for (std::size_t b = 0; b < blocks_.size(); ++b)
                        cut_proven(rhs.runs().front(), blocks_[b].k0, blocks_[b].k1, Traits::k, Traits::cols, lhs_norms.data(), rhs.norms(p), list(p, b));
            });
        } else {
            for (std::size_t b = 0; b < blocks_.size(); ++b)
                for (const rhs_run& run : rhs.runs()) cut_fixed(run, blocks_[b], list(0, b));
        }
    }

    struct block {
        index k0, k1;
    };
    const std::vector<block>& blocks() const { return blocks_; }
    std::span<const chain> chains(index panel, std::size_t b) const {
        return chains_[static_cast<std::size_t>(Traits::proven ? panel : 0) * blocks_.size() + b];
    }

private:
    std::vector<chain>& list(index panel, std::size_t b) { return chains_[static_cast<std::size_t>(panel) * blocks_.size() + b]; }

    static void cut_fixed(const rhs_run& run, const block& b, std::vector<chain>& out) {
        const index begin = std::max(run.k, b.k0), end = std::min(run.k + run.length, b.k1);
        for (index k = begin; k < end;) {
            const index length = std::min(Traits::longest_chain(), end - k);
            for (int lp = 0; lp < Traits::lhs_planes; ++lp) {
                const int rp = run.plane % Traits::split_planes;
                const int shift = Traits::lhs_planes == 2 ? 8 * ((lp == 0) + (rp == 0)) : 0;
                out.push_back({k, ceil_div(length, Traits::k), run.offset + (k - run.k) * Traits::cols, lp, rp, run.scale, shift});
            }
            k += length;
        }
    }

    std::vector<block> blocks_;
    std::vector<std::vector<chain>> chains_;
    index lists_ = 1;
};

/// The factors of the columns, as doubles and as floats, and for each panel whether int32 totals may be multiplied in float: float(t) rounds once and the
/// product is exact where the factor is a power of two; where totals stay below 2^24, float(t) is exact and the product rounds once.
template <class Traits>
struct output_factors {
    std::vector<double> wide; ///< without lhs's row scales
    std::vector<float> single;
    std::vector<char> fits; ///< by panel

    template <class Rhs>
    output_factors(const Rhs& rhs, double lhs_scale) : wide(static_cast<std::size_t>(rhs.panels() * Traits::cols)), single(wide.size()), fits(static_cast<std::size_t>(rhs.panels())) {
        for (std::size_t j = 0; j < wide.size(); ++j) {
            wide[j] = lhs_scale * rhs.factors()[j];
            single[j] = static_cast<float>(wide[j]);
        }
        constexpr auto columns = static_cast<std::size_t>(Traits::cols);
        for (std::size_t p = 0; p < fits.size(); ++p) {
            bool normal = true, powers = true;
            for (std::size_t j = p * columns; j < std::min((p + 1) * columns, static_cast<std::size_t>(rhs.n())); ++j) {
                int exponent = 0;
                powers = powers && std::fabs(std::frexp(wide[j], &exponent)) == 0.5;
                normal = normal && exponent > -125 && exponent < 96 && wide[j] != 0;
            }
            bool small = false;
            if constexpr (std::is_same_v<typename Traits::total, std::int32_t>)
                small = rhs.unit_bound(static_cast<index>(p)) * Traits::policy::lhs::format::max_magnitude < (1 << 24);
            fits[p] = normal && (powers || small);
        }
    }
};

/// Everything that the loops of one product share.
template <class Traits, class Source, class Out, class Stages, class RowMap>
struct product_call {
    const Source& source;
    const packed_rhs<typename Traits::policy, typename Traits::arch>& rhs;
    const chain_plan<Traits>& plan;
    const float* lhs_scales; ///< per row, or per row and block; nullptr where the policy has none
    const Out& out;
    const Stages& stages;
    const RowMap& row_map;
    audit* check;
    const output_factors<Traits>& factors;
};

/// The output of a product that is stored column by column, as a weight gradient is: each column of the tile is one run.
template <class Traits, class Call, class Total>
void finish_transposed(const Call& call, const Total* totals, index i0, index rows, index j0, index cols) {
    constexpr int height = Traits::rows;
    alignas(64) float v[Traits::cols * height];
    const double* factors = call.factors.wide.data() + j0;
    for (index i = 0; i < rows; ++i)
        for (int j = 0; j < Traits::cols; ++j) v[j * height + i] = static_cast<float>(to_double(totals[i * Traits::cols + j]) * output_factor(factors[j]));
    for (index j = 0; j < cols; ++j)
        std::copy_n(v + j * height, rows, call.out.data + call.row_map(i0) * call.out.row_stride + (j0 + j) * call.out.col_stride);
}

/// From the totals of one tile to the output.
template <class Traits, class Call, class Total>
INTAGLIO_INLINE void finish_tile(const Call& call, const Total* totals, index i0, index rows, index j0, index cols) {
    using out_traits = output_traits<std::remove_cvref_t<decltype(call.out)>>;
    constexpr bool row_scales = Traits::policy::lhs::sharing::by_row && Traits::policy::lhs::block == 0;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(call.out)>, matrix_view<float>> && !row_scales && std::remove_cvref_t<decltype(call.stages)>::empty &&
                  std::is_same_v<std::remove_cvref_t<decltype(call.row_map)>, same_row>)
        if (call.out.row_stride == 1 && call.out.col_stride != 1) return finish_transposed<Traits>(call, totals, i0, rows, j0, cols);
    for (index i = 0; i < rows; ++i) {
        const Total* t = totals + i * Traits::cols;
        const index row = call.row_map(i0 + i);
        if constexpr (out_traits::raw) {
            const auto& view = out_traits::view(call.out);
            for (index j = 0; j < cols; ++j) view(row, j0 + j) = static_cast<typename out_traits::stored>(t[j]);
        } else {
            alignas(64) float v[Traits::cols];
            const double* wide = call.factors.wide.data() + j0;
            if (std::is_same_v<Total, std::int32_t> && !row_scales && call.factors.fits[static_cast<std::size_t>(j0 / Traits::cols)]) {
                const float* single = call.factors.single.data() + j0;
                for (int j = 0; j < Traits::cols; ++j) v[j] = static_cast<float>(t[j]) * single[j];
            } else {
                double row_scale = 1;
                if constexpr (row_scales) row_scale = static_cast<double>(call.lhs_scales[i0 + i]);
                for (int j = 0; j < Traits::cols; ++j) v[j] = static_cast<float>(to_double(t[j]) * output_factor(wide[j] * row_scale));
            }
            if (cols == Traits::cols) { // a constant count lets the stages vectorise without a remainder
                call.stages(v, row, j0, Traits::cols);
                store_piece(call.out, v, row, j0, Traits::cols);
            } else {
                call.stages(v, row, j0, cols);
                store_piece(call.out, v, row, j0, cols);
            }
        }
    }
}

/// Memory of one worker, made once a call.
template <class Traits>
struct worker_scratch {
    buffer<typename Traits::lhs_digit> lhs;
    patch<typename Traits::lhs_digit> image; ///< of the block's windows, where the source has such
    buffer<typename Traits::total> totals;
    std::vector<lhs_panel<typename Traits::lhs_digit>> panels;
};

/// How many atoms of rows the last tile of a block takes: as few as cover it, of the three tiles that are compiled.
template <class Traits>
constexpr std::array<int, 3> tile_downs = {Traits::tile::down, std::max(1, Traits::tile::down / 2), 1};

template <class Traits>
int atoms_for(index rows) {
    int best = Traits::tile::down;
    for (const int down : tile_downs<Traits>)
        if (static_cast<index>(down) * Traits::atom::m >= rows) best = down;
    return best;
}

/// One tile: the micro-kernel of the right height, then the output if this was the last block of the reduction.
template <class Traits, int Down, class Call>
void run_tile(const Call& call, const lhs_panel<typename Traits::lhs_digit>& lhs, index panel, std::size_t block, typename Traits::total* totals, index i0,
              index rows) {
    alignas(64) typename Traits::lane sums[Down * Traits::atom::m * Traits::cols];
    const std::size_t blocks = call.plan.blocks().size();
    flush_scales<Traits> scales{call.rhs.folded() ? nullptr : call.rhs.scales(panel), nullptr, 0, rows};
    if constexpr (Traits::policy::lhs::block > 0) {
        scales.lhs_stride = ceil_div(call.rhs.k(), Traits::block);
        scales.lhs = call.lhs_scales + i0 * scales.lhs_stride;
    }
    const bool in_sums = microkernel<Traits, Down>(lhs, call.rhs.panel(panel), call.plan.chains(panel, block), scales, sums, totals, block == 0, blocks == 1, call.check);
    if (block + 1 < blocks) return;
    const index j0 = panel * Traits::cols, cols = std::min<index>(Traits::cols, call.rhs.n() - j0);
    if constexpr (!Traits::floats && !Traits::float_total)
        if (in_sums) return finish_tile<Traits>(call, sums, i0, rows, j0, cols);
    finish_tile<Traits>(call, totals, i0, rows, j0, cols);
}

/// Rows [i0, i1) of a block of lhs, elements [k0, k1), interleaved, as panels.
template <class Traits, class Source>
void gather_columns(const Source& source, index i0, index i1, index k0, index k1, worker_scratch<Traits>& scratch) {
    const index rows = round_up(i1 - i0, Traits::rows);
    const index plane = round_up(rows * round_up(k1 - k0, Traits::k), 64);
    if (scratch.lhs.size() < plane * Traits::lhs_planes) scratch.lhs = buffer<typename Traits::lhs_digit>(plane * Traits::lhs_planes, uninitialized);
    pack_interleaved<Traits>(source, i0, i1, k0, k1, scratch.lhs.data(), rows, plane);
    for (index i = i0; i < i1; i += Traits::rows)
        scratch.panels.push_back({scratch.lhs.data() + (i - i0) * Traits::k, Traits::k, Traits::k * rows, rows, plane, k0});
}

/// The same by rows: in place where they lie so, else copied.
template <class Traits, class Source>
void gather_rows(const Source& source, index i0, index i1, index k0, index k1, worker_scratch<Traits>& scratch) {
    using digit = typename Traits::lhs_digit;
    constexpr bool readable = std::is_same_v<digit, typename Source::element> && Traits::lhs_planes == 1 && Traits::atom::m == 1 && Traits::block % Traits::k == 0;
    const index length = round_up(k1 - k0, Traits::k), stride = padded_row<digit>(length), plane = round_up(i1 - i0, Traits::rows) * stride;
    for (index i = i0; i < i1; i += Traits::rows) {
        const index count = std::min<index>(Traits::rows, i1 - i), tile_rows = atoms_for<Traits>(count) * Traits::atom::m;
        if constexpr (Source::has_windows) {
            if (scratch.image.in_group(i, count) && count == tile_rows) {
                scratch.panels.push_back(scratch.image.template panel<Traits>(i));
                continue;
            }
        }
        if constexpr (readable) {
            if ((k1 - k0) % Traits::k == 0 && count == tile_rows) {
                const row_span<digit> span = source.in_place(i, count);
                // rows a multiple of 2 KiB apart fall into the same sets of L1 and push each other out
                if (span.data && (span.stride * static_cast<index>(sizeof(digit)) % 2048 != 0 || count == 1)) {
                    scratch.panels.push_back({span.data, span.stride, Traits::k});
                    continue;
                }
            }
        }
        if (scratch.lhs.size() < plane * Traits::lhs_planes) scratch.lhs = buffer<digit>(plane * Traits::lhs_planes);
        digit* panel = scratch.lhs.data() + (i - i0) * stride;
        for (index r = 0; r < tile_rows; ++r) {
            if (r < count)
                pack_row<Traits>(source, i + r, k0, k1, panel + r * stride, plane);
            else
                for (int p = 0; p < Traits::lhs_planes; ++p) std::fill_n(panel + p * plane + r * stride, length, digit{0});
        }
        scratch.panels.push_back({panel, stride, Traits::k, 1, plane, k0});
    }
}

template <class Traits, class Source>
void gather_block(const Source& source, index i0, index i1, index k0, index k1, worker_scratch<Traits>& scratch) {
    scratch.panels.clear();
    // interleaved rows serve chains that start at whole steps; blocks of scales of other lengths are gathered element by element
    constexpr bool interleaves = Traits::block % Traits::k == 0 && has_column_runs<Source>;
    static_assert(interleaves || has_row_runs<Source>, "this policy's blocks can't be read along columns");
    if constexpr (interleaves)
        if (!source.along_rows()) return gather_columns<Traits>(source, i0, i1, k0, k1, scratch);
    if constexpr (has_row_runs<Source>) gather_rows<Traits>(source, i0, i1, k0, k1, scratch);
}

/// Loops 3 to 5 for the block [i0, i1) x panels [p0, p1) of the output.
template <class Traits, class Call>
void run_block(const Call& call, index i0, index i1, index p0, index p1, worker_scratch<Traits>& scratch) {
    const auto& blocks = call.plan.blocks();
    const index tiles = ceil_div(i1 - i0, Traits::rows);
    constexpr index tile_size = Traits::rows * Traits::cols;
    const bool keep = blocks.size() > 1;
    const index totals_size = keep ? tiles * (p1 - p0) * tile_size : tile_size;
    if (scratch.totals.size() < totals_size) scratch.totals = buffer<typename Traits::total>(totals_size, uninitialized);
    for (std::size_t pc = 0; pc < blocks.size(); ++pc) {
        if constexpr (std::remove_cvref_t<decltype(call.source)>::has_windows)
            if (pc == 0) call.source.template copy_patch<Traits>(i0, i1, scratch.image);
        gather_block<Traits>(call.source, i0, i1, blocks[pc].k0, blocks[pc].k1, scratch);
        for (index jr = p0; jr < p1; ++jr)
            for (index ir = 0; ir < tiles; ++ir) {
                const index i = i0 + ir * Traits::rows, rows = std::min<index>(Traits::rows, i1 - i);
                auto* totals = scratch.totals.data() + (keep ? ((jr - p0) * tiles + ir) * tile_size : 0);
                const auto& lhs = scratch.panels[static_cast<std::size_t>(ir)];
                const int down = atoms_for<Traits>(rows);
                if (down == tile_downs<Traits>[0])
                    run_tile<Traits, tile_downs<Traits>[0]>(call, lhs, jr, pc, totals, i, rows);
                else if (down == tile_downs<Traits>[1])
                    run_tile<Traits, tile_downs<Traits>[1]>(call, lhs, jr, pc, totals, i, rows);
                else
                    run_tile<Traits, tile_downs<Traits>[2]>(call, lhs, jr, pc, totals, i, rows);
            }
    }
}

/// Loops 1 and 2: cuts the output into tasks of about equal size and runs them.
template <class Traits, class Call>
void run_product(const Call& call, index kc, const cache_sizes& cache, executor_ref exec) {
    const index m = call.source.rows(), panels = call.rhs.panels(), workers = std::max(1, exec.concurrency());
    if (m == 0 || panels == 0) return;
    const index row_tiles = ceil_div(m, Traits::rows);
    index row_blocks = ceil_div(m, row_block<Traits>(cache, std::min(kc, std::max<index>(1, call.rhs.k()))));
    index column_blocks = 1;
    if (call.plan.blocks().size() > 1) { // totals wait between blocks of the reduction
        const index tile_bytes = Traits::rows * Traits::cols * static_cast<index>(sizeof(typename Traits::total));
        column_blocks = ceil_div(ceil_div(row_tiles, row_blocks) * panels * tile_bytes, std::max(tile_bytes, cache.l2 / 2));
    }
    if (workers > 1) {
        row_blocks = std::min(row_tiles, round_up(row_blocks, workers));
        if (row_blocks * column_blocks % workers != 0) column_blocks = std::min(panels, round_up(column_blocks, workers));
    }
    column_blocks = std::min(column_blocks, panels);
    std::vector<worker_scratch<Traits>> scratch(static_cast<std::size_t>(workers));
    exec.for_each(row_blocks * column_blocks, [&](index task, int worker) {
        [[maybe_unused]] const simd::atom_scope<typename Traits::atom> scope{};
        const index ic = task % row_blocks, jc = task / row_blocks;
        run_block<Traits>(call, row_tiles * ic / row_blocks * Traits::rows, std::min(m, row_tiles * (ic + 1) / row_blocks * Traits::rows),
                          panels * jc / column_blocks, panels * (jc + 1) / column_blocks, scratch[static_cast<std::size_t>(worker)]);
    });
}

/// A product of any source with a packed rhs, into any output: what gemm and all passes of a convolution come down to.
template <GemmPolicy P, class Arch, class Source, class Out, class Stages, class RowMap>
void multiply(const Source& source, double lhs_scale, const float* lhs_scales, const packed_rhs<P, Arch>& rhs, const Out& out, const Stages& stages,
              const RowMap& row_map, executor_ref exec, audit* check) {
    using traits = kernel_traits<P, Arch>;
    const cache_sizes cache = cache_sizes::of_this_machine();
    const index kc = reduction_block<traits>(cache);
    std::vector<piece_norms> norms;
    if constexpr (traits::proven) {
        norms = source.norms(exec);
        for (const piece_norms& n : norms)
            if (n.largest > static_cast<float>(P::lhs::format::max_magnitude)) source.template require_range<typename P::lhs::format>("lhs");
    } else {
        source.template require_range<typename P::lhs::format>("lhs");
    }
    const chain_plan<traits> plan(rhs, kc, norms, exec);
    const output_factors<traits> factors(rhs, lhs_scale);
    const product_call<traits, Source, Out, Stages, RowMap> call{source, rhs, plan, lhs_scales, out, stages, row_map, check, factors};
    run_product<traits>(call, kc, cache, exec);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
