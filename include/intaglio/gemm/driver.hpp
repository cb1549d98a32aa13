// SPDX-License-Identifier: Apache-2.0
#pragma once

// The five loops around the micro-kernel:
//
//   loop 1  jc   columns of the output in blocks of nc            } one task each, shared by the threads
//   loop 2  ic   rows of the output in blocks of mc               }
//   loop 3  pc   the reduction in blocks of kc                      <- lhs is packed here, or read in place
//   loop 4  jr   panels of nr columns                               <- a panel of rhs (kc x nr) stays close to L1
//   loop 5  ir   tiles of mr rows                                   <- microkernel.hpp
//
// Where all panels of the block stay in L2, loops 4 and 5 change places: a tile of lhs stays in L1, and the output is
// written from its first line to its last.
//
// The reduction lies inside the blocks of the output, unlike in BLIS: rhs is packed as a whole beforehand, and so the
// totals that wait for the next kc are one block's and stay in L2. A reduction of one kc needs none.

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/chain_plan.hpp"
#include "intaglio/gemm/gather.hpp"
#include "intaglio/gemm/microkernel.hpp"
#include "intaglio/gemm/output.hpp"
#include "intaglio/gemm/packed_rhs.hpp"
#include "intaglio/gemm/register_output.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

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
    dim_t l2;          ///< bytes
    bool streams;      ///< the output passes the caches by
    bool zeros_vanish; ///< from sums, since nothing that they meet is an infinity or a NaN
};

/// product_call::zeros_vanish. Only a sum of floats can meet such: as an element of rhs, beside elements of lhs that
/// are known to be zeros (patch.hpp), or as the factor of a block, of which all digits are zeros.
template <class Traits, class Rhs>
bool do_zeros_vanish(const Rhs& rhs, std::span<const float> lhs_scales) {
    if constexpr (Traits::floats) {
        return rhs.finite();
    } else if constexpr (Traits::float_total && Traits::block > 0) {
        float largest = rhs.largest_scale();
        if constexpr (Traits::policy::lhs::block > 0)
            largest *= std::bit_cast<float>(largest_magnitude_bits(lhs_scales.data(), std::ssize(lhs_scales)));
        return is_finite(largest);
    } else {
        return true;
    }
}

/// One tile: the micro-kernel of the right height, then the output if this was the last block of the reduction.
/// `totals` are those of all blocks so far.
template <class Traits, int Down, class Call, class Panel>
void run_tile(const Call& call, const lhs_panel<typename Traits::lhs_digit>& lhs, dim_t panel, Panel digits,
              std::size_t block, std::span<const chain> chains, typename Traits::total* totals, dim_t i0, dim_t rows) {
    const std::size_t blocks = call.plan.blocks().size();
    flush_scales<Traits> scales{call.rhs.folded() ? nullptr : call.rhs.scales(panel), nullptr, 0, rows};
    if constexpr (Traits::policy::lhs::block > 0) {
        scales.lhs_stride = ceil_div(call.rhs.k(), Traits::block);
        scales.lhs = call.lhs_scales + i0 * scales.lhs_stride;
    }
    const dim_t j0 = panel * Traits::cols, cols = std::min<dim_t>(Traits::cols, call.rhs.n() - j0);
    [[maybe_unused]] const bool scaled = Traits::integer_scales && !call.rhs.folded();
    if constexpr (Down == Traits::tile::down && leaves_registers<Traits, Call>) {
        const bool is_total = block + 1 == blocks && (block == 0 || !Traits::carries) &&
                              (!scaled || (Traits::scales_in_flush && !chains.empty())) && !call.check;
        if (is_total && rows == Traits::rows && cols == Traits::cols)
            if (const auto to = output_from_registers<Traits>(call, i0, j0)) {
                using sums = output_of_sums<Traits>;
                if constexpr (Traits::scales_in_flush)
                    if (scaled)
                        return run_chains<Traits, Down>(
                            lhs, digits, chains,
                            scaled_flush<Traits, sums>{{*to, totals}, scales.rhs, totals, block == 0});
                if constexpr (Traits::through) {
                    alignas(64) typename Traits::lane high[Traits::carries ? Traits::tile_size : 1];
                    return run_chains<Traits, Down>(lhs, digits, chains,
                                                    continued_flush<Traits, sums>{{*to, totals}, high, block == 0});
                }
            }
    }
    constexpr dim_t count = Down * Traits::atom::m * Traits::cols;
    constexpr int across = Traits::tile::across;
    const auto run = [&](typename Traits::block_total* sums, typename Traits::lane* high, bool fresh) {
        if constexpr (Traits::halves && Traits::through && Down == Traits::tile::down)
            if (2 * cols <= Traits::cols && !scaled && !call.check) {
                if (fresh) std::fill_n(sums, count, 0); // half of them are left alone
                if constexpr (Traits::carries) std::fill_n(high, count, 0);
                return microkernel<Traits, Down, across / 2>(lhs, digits, chains, scales, sums, high, fresh, nullptr);
            }
        microkernel<Traits, Down, across>(lhs, digits, chains, scales, sums, high, fresh, call.check);
    };
    if constexpr (Traits::carries) {
        alignas(64) std::int32_t low[static_cast<std::size_t>(count)], high[static_cast<std::size_t>(count)];
        run(low, high, true);
        const bool carried = chains.size() > 1;
        if (blocks == 1) {
            if (carried) return finish_tile<Traits>(call, carried_totals{low, high}, i0, rows, j0, cols);
            return finish_tile<Traits>(call, plain_totals<std::int32_t>{low}, i0, rows, j0, cols);
        }
        for (dim_t e = 0; e < count; ++e)
            totals[e] = (block == 0 ? 0 : totals[e]) +
                        (carried ? carried_totals{low, high}.exact(e) : static_cast<std::int64_t>(low[e]));
    } else {
        run(totals, nullptr, block == 0);
    }
    if (block + 1 == blocks)
        finish_tile<Traits>(call, plain_totals<typename Traits::total>{totals}, i0, rows, j0, cols);
}

/// Whether so many rows are a tile that expands the digits of rhs itself.
template <class Traits, class Rhs>
bool expands_in_registers(const Rhs& rhs, dim_t rows) {
    return rhs.narrow() && !rhs.five_in_a_byte() && rows <= Traits::rows && Traits::expands(atoms_for<Traits>(rows));
}

/// Loops 3 to 5 for the block [i0, i1) x panels [p0, p1) of the output.
template <class Traits, class Call>
class block_run {
public:
    block_run(const Call& call, dim_t i0, dim_t i1, dim_t p0, dim_t p1, worker_scratch<Traits>& scratch)
        : call_(call), scratch_(scratch), i0_(i0), i1_(i1), p0_(p0), p1_(p1), tiles_(ceil_div(i1 - i0, Traits::rows)),
          keep_(call.plan.blocks().size() > 1) {}

    void run() {
        const dim_t totals_size = (keep_ ? tiles_ * (p1_ - p0_) : 1) * Traits::tile_size;
        if (scratch_.totals.size() < totals_size)
            scratch_.totals = buffer<typename Traits::total>(totals_size, uninitialized);
        const auto& blocks = call_.plan.blocks();
        for (pc_ = 0; pc_ < blocks.size(); ++pc_) {
            const dim_t k0 = blocks[pc_].k0, k1 = blocks[pc_].k1;
            if constexpr (has_windows)
                if (pc_ == 0) call_.source.template copy_patch<Traits>(i0_, i1_, scratch_.image);
            gather_block<Traits>(call_.source, i0_, i1_, k0, k1, scratch_);
            if constexpr (has_windows && Traits::floats)
                if (!call_.zeros_vanish)
                    for (auto& panel : scratch_.panels) panel.live = {panel.live.period, 0, panel.live.period};
            if constexpr (Traits::proven) measure(k0, k1);
            list_chains();
            if (rows_first(k1 - k0))
                for (dim_t ir = 0; ir < tiles_; ++ir)
                    for (dim_t jr = p0_; jr < p1_; ++jr) run_tile_at(ir, jr, call_.rhs.panel(jr), chains(jr));
            else
                run_panels_first(prepare_narrow(k0, k1));
        }
    }

private:
    static constexpr bool has_windows = std::remove_cvref_t<decltype(std::declval<Call>().source)>::has_windows;

    /// Whether the panels of a block of the reduction stay in L2. An output that lies column by column is written in
    /// the order of panels in any case, and narrow panels are expanded once.
    bool rows_first(dim_t length) const {
        const dim_t bytes = (p1_ - p0_) * Traits::cols * length *
                            static_cast<dim_t>(sizeof(typename Traits::rhs_digit)) * Traits::split_planes;
        return tiles_ > 1 && bytes <= call_.l2 / 2 && !call_.rhs.narrow() &&
               output_traits<std::remove_cvref_t<decltype(call_.out)>>::view(call_.out).col_stride() == 1;
    }

    /// `narrow`: the only tile of the rows expands the panels itself.
    void run_panels_first(bool narrow) {
        for (dim_t jr = p0_; jr < p1_; ++jr) {
            if (narrow) {
                run_narrow(jr);
                continue;
            }
            const std::span<const chain> used = chains(jr);
            const auto* digits = panel_digits(jr, used);
            for (dim_t ir = 0; ir < tiles_; ++ir) run_tile_at(ir, jr, digits, used);
        }
    }

    /// The norms of the block of lhs that was gathered.
    void measure(dim_t k0, dim_t k1) {
        if (scratch_.image.starts.empty()) {
            scratch_.norms = measure_block<Traits>(scratch_, i1_ - i0_, k1 - k0);
            scratch_.norms_first = k0;
        }
        if constexpr (has_windows)
            if (!scratch_.image.starts.empty() && pc_ == 0) {
                scratch_.norms = call_.source.template block_norms<Traits>(scratch_.image);
                scratch_.norms_first = 0;
            }
    }

    /// Whether panels have chains of their own: cut from their norms, or without runs that are zeros.
    bool has_own_chains(dim_t panel) const {
        return Traits::proven || (call_.zeros_vanish && !call_.rhs.zero_runs(panel).empty());
    }

    /// Lists the chains of panels that have their own, one panel after the other.
    void list_chains() {
        scratch_.chains.clear();
        scratch_.chain_ends.clear();
        for (dim_t panel = p0_; panel < p1_; ++panel) {
            if constexpr (Traits::proven)
                call_.plan.cut(panel, pc_, scratch_.norms, scratch_.norms_first, scratch_.chains);
            else if (has_own_chains(panel))
                for (const chain& c : call_.plan.chains(pc_))
                    if (!call_.rhs.zero_runs(panel)[static_cast<std::size_t>(c.scale)]) scratch_.chains.push_back(c);
            scratch_.chain_ends.push_back(scratch_.chains.size());
        }
    }

    std::span<const chain> chains(dim_t panel) const {
        if (!has_own_chains(panel)) return call_.plan.chains(pc_);
        const auto place = static_cast<std::size_t>(panel - p0_);
        const std::size_t first = place == 0 ? 0 : scratch_.chain_ends[place - 1];
        return std::span<const chain>(scratch_.chains).subspan(first, scratch_.chain_ends[place] - first);
    }

    typename Traits::total* totals(dim_t ir, dim_t jr) const {
        return scratch_.totals.data() + (keep_ ? ((jr - p0_) * tiles_ + ir) * Traits::tile_size : 0);
    }

    /// The digits of a panel that its chains use, expanded where they are narrow, as a pointer to where its first digit
    /// would be.
    const typename Traits::rhs_digit* panel_digits(dim_t panel, std::span<const chain> used) {
        const auto& rhs = call_.rhs;
        if (!rhs.narrow()) return rhs.panel(panel);
        if (used.empty()) return nullptr;
        const dim_t unit = rhs.narrow_group(), first = used.front().offset / unit * unit,
                    end = used.back().offset + used.back().steps * Traits::k * Traits::cols;
        const dim_t count = round_up(end - first, unit);
        if (scratch_.rhs.size() < count) scratch_.rhs = buffer<typename Traits::rhs_digit>(count, uninitialized);
        rhs.expand(panel, first, count, scratch_.rhs.data());
        return scratch_.rhs.data() - first;
    }

    /// Whether the only tile of the rows expands narrow digits itself; then what puts its sums right is made.
    bool prepare_narrow(dim_t k0, dim_t k1) {
        if (!expands_in_registers<Traits>(call_.rhs, i1_ - i0_) || call_.check || scratch_.panels[0].segments)
            return false;
        if constexpr (Traits::narrow_bits > 0 && Traits::block > 0)
            correct_narrow<Traits>(scratch_.panels[0], atoms_for<Traits>(i1_ - i0_), k0, k1,
                                   ceil_div(call_.rhs.k(), Traits::block), scratch_.corrections);
        return true;
    }

    /// Runs the only tile of the rows on narrow digits. Its chains are whole runs, each of which begins with a group.
    void run_narrow(dim_t jr) {
        const auto& rhs = call_.rhs;
        for_height(i1_ - i0_, [&]<int Down>(std::integral_constant<int, Down>) {
            if constexpr (Traits::expands(Down)) {
                auto digits = rhs.narrow_panel(jr);
                digits.corrections = scratch_.corrections.data();
                digits.correction_stride = ceil_div(rhs.k(), Traits::block);
                run_tile<Traits, Down>(call_, scratch_.panels[0], jr, digits, pc_, chains(jr), totals(0, jr), i0_,
                                       i1_ - i0_);
            }
        });
    }

    void run_tile_at(dim_t ir, dim_t jr, const typename Traits::rhs_digit* digits, std::span<const chain> used) {
        const dim_t i = i0_ + ir * Traits::rows, rows = std::min<dim_t>(Traits::rows, i1_ - i);
        for_height(rows, [&]<int Down>(std::integral_constant<int, Down>) {
            run_tile<Traits, Down>(call_, scratch_.panels[static_cast<std::size_t>(ir)], jr, digits, pc_, used,
                                   totals(ir, jr), i, rows);
        });
    }

    /// Calls f with the height, in atoms, of the tile that is compiled for so many rows.
    template <class F>
    static INTAGLIO_INLINE void for_height(dim_t rows, F f) {
        constexpr auto downs = tile_downs<Traits>;
        const int down = atoms_for<Traits>(rows);
        if (down == downs[0])
            f(std::integral_constant<int, downs[0]>{});
        else if (down == downs[1])
            f(std::integral_constant<int, downs[1]>{});
        else if (down == downs[2])
            f(std::integral_constant<int, downs[2]>{});
        else
            f(std::integral_constant<int, downs[3]>{});
    }

    const Call& call_;
    worker_scratch<Traits>& scratch_;
    const dim_t i0_, i1_, p0_, p1_, tiles_;
    const bool keep_; ///< totals wait for the next block of the reduction
    std::size_t pc_ = 0;
};

/// Loops 1 and 2: cuts the output into tasks of about equal size and runs them.
template <class Traits, class Call>
void run_product(const Call& call, dim_t kc, const cache_sizes& cache, executor_ref exec) {
    const dim_t m = call.source.rows(), panels = call.rhs.panels(), workers = std::max(1, exec.concurrency());
    if (m == 0 || panels == 0) return;
    const dim_t row_tiles = ceil_div(m, Traits::rows);
    dim_t row_blocks = ceil_div(m, row_block<Traits>(cache, std::min(kc, std::max<dim_t>(1, call.rhs.k()))));
    dim_t column_blocks = 1;
    if (call.plan.blocks().size() > 1) { // totals wait between blocks of the reduction
        const dim_t tile_bytes = Traits::tile_size * static_cast<dim_t>(sizeof(typename Traits::total));
        column_blocks =
            ceil_div(ceil_div(row_tiles, row_blocks) * panels * tile_bytes, std::max(tile_bytes, cache.l2 / 2));
        if (m == 1) column_blocks = panels; // nothing shares a panel: each is read from end to end, as memory likes it
    }
    if (workers > 1) {
        // the largest share of each way to cut; seven rows fill no tile, and few tiles are not shared evenly
        const double by_rows =
            static_cast<double>(ceil_div(row_tiles, workers) * Traits::rows) / static_cast<double>(m);
        const double by_columns = static_cast<double>(ceil_div(panels, workers)) / static_cast<double>(panels);
        if (by_columns < by_rows)
            column_blocks = round_up(column_blocks, workers);
        else
            row_blocks = std::min(row_tiles, round_up(row_blocks, workers));
        if (row_blocks * column_blocks % workers != 0)
            column_blocks = std::min(panels, round_up(column_blocks, workers));
    }
    column_blocks = std::min(column_blocks, panels);
    std::vector<worker_scratch<Traits>> scratch(static_cast<std::size_t>(workers));
    exec.for_each(row_blocks * column_blocks, [&](dim_t task, int worker) {
        [[maybe_unused]] const simd::atom_scope<typename Traits::atom> scope{};
        const dim_t ic = task % row_blocks, jc = task / row_blocks;
        block_run<Traits, Call>(call, row_tiles * ic / row_blocks * Traits::rows,
                                std::min(m, row_tiles * (ic + 1) / row_blocks * Traits::rows),
                                panels * jc / column_blocks, panels * (jc + 1) / column_blocks,
                                scratch[static_cast<std::size_t>(worker)])
            .run();
        if (call.streams) simd::end_streams();
    });
}

/// A product of any source with a packed rhs, into any output: what gemm and all passes of a convolution come down to.
template <GemmPolicy P, class Arch, class Source, class Out, class Stages, class RowMap>
void multiply(const Source& source, double lhs_scale, std::span<const float> lhs_scales, const packed_rhs<P, Arch>& rhs,
              const Out& out, const Stages& stages, const RowMap& row_map, executor_ref exec, audit* check) {
    const float_environment scope;
    using traits = kernel_traits<P, Arch>;
    const cache_sizes cache = cache_sizes::of_this_machine();
    dim_t kc = reduction_block<traits>(cache, source.along_rows());
    if (expands_in_registers<traits>(rhs, source.rows())) kc = std::max(kc, rhs.k()); // nothing is kept in L1
    if constexpr (checks_lhs<P>) source.template require_range<typename P::lhs::format>("lhs");
    const chain_plan<traits> plan(rhs, kc);
    const output_factors<traits> factors(rhs, lhs_scale);
    const product_call<traits, Source, Out, Stages, RowMap> call{source,
                                                                 rhs,
                                                                 plan,
                                                                 lhs_scales.data(),
                                                                 out,
                                                                 stages,
                                                                 row_map,
                                                                 check,
                                                                 factors,
                                                                 cache.l2,
                                                                 streams_output(out, cache),
                                                                 do_zeros_vanish<traits>(rhs, lhs_scales)};
    run_product<traits>(call, kc, cache, exec);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
