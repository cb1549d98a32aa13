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
#include "intaglio/core/kept.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/chain_plan.hpp"
#include "intaglio/gemm/gather.hpp"
#include "intaglio/gemm/microkernel.hpp"
#include "intaglio/gemm/output.hpp"
#include "intaglio/gemm/packed_rhs.hpp"
#include "intaglio/gemm/register_output.hpp"
#include "intaglio/gemm/task_grid.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Everything that the loops of one product share. Where lhs is read from is not among it: only loop 3 knows.
template <class Traits, class Out, class Stages>
struct product_call {
    using target_type = output_target<Out, Stages>;
    const packed_rhs<typename Traits::policy, typename Traits::arch>& rhs;
    const chain_plan<Traits>& plan;
    const float* lhs_scales; ///< per row, or per row and block; nullptr where the policy has none
    const target_type& to;
    const output_factors<Traits>& factors;
    audit* check;
    dim_t l2;          ///< bytes
    bool streams;      ///< the output passes the caches by
    bool zeros_vanish; ///< from sums, since nothing that they meet is an infinity or a NaN
    bool first = true; ///< starts the sums, which otherwise go on from the call before
    bool last = true;  ///< sends them to the output, which otherwise the call behind does
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

/// Whether sum_tile can multiply the left half of a tile's columns alone.
template <class Traits, class Panel>
constexpr bool multiplies_halves = Traits::halves&& Traits::through&& std::is_pointer_v<Panel>;

/// The sums of one tile of `down` atoms of rows: the micro-kernel of that height. `half`: of the left half of its
/// columns, the others are left alone.
template <class Traits, class Panel>
[[gnu::noinline]] void sum_tile(int down, bool half, const lhs_panel<typename Traits::lhs_digit>& lhs, Panel digits,
                                std::span<const chain> chains, const flush_scales<Traits>& scales,
                                typename Traits::block_total* sums, typename Traits::lane* high, bool fresh,
                                audit* check) {
    const auto run = [&]<int Down>(std::integral_constant<int, Down>) {
        constexpr int across = Traits::tile::across;
        if constexpr (multiplies_halves<Traits, Panel>)
            if (half)
                return microkernel<Traits, Down, across / 2>(lhs, digits, chains, scales, sums, high, fresh, nullptr);
        if constexpr (std::is_pointer_v<Panel> || Traits::expands(Down))
            microkernel<Traits, Down, across>(lhs, digits, chains, scales, sums, high, fresh, check);
    };
    constexpr auto downs = tile_downs<Traits>;
    if (down == downs[0])
        run(std::integral_constant<int, downs[0]>{});
    else if (down == downs[1])
        run(std::integral_constant<int, downs[1]>{});
    else if (down == downs[2])
        run(std::integral_constant<int, downs[2]>{});
    else if (down == downs[3])
        run(std::integral_constant<int, downs[3]>{});
    else
        run(std::integral_constant<int, downs[4]>{});
}

/// All sums of a whole tile, from its registers to the output.
template <class Traits, class Panel>
INTAGLIO_INLINE void run_to_output(const lhs_panel<typename Traits::lhs_digit>& lhs, Panel digits,
                                   std::span<const chain> chains, const flush_scales<Traits>& scales,
                                   typename Traits::total* totals, bool fresh, bool scaled, const register_output& to) {
    using sums = output_of_sums<Traits>;
    constexpr int down = Traits::tile::down;
    if constexpr (std::is_pointer_v<Panel> || Traits::expands(down)) {
        if constexpr (Traits::scales_in_flush)
            if (scaled)
                return run_chains<Traits, down>(lhs, digits, chains,
                                                scaled_flush<Traits, sums>{{to, totals}, scales.rhs, totals, fresh});
        if constexpr (Traits::through) {
            alignas(64) typename Traits::lane high[Traits::carries ? Traits::tile_size : 1];
            run_chains<Traits, down>(lhs, digits, chains, continued_flush<Traits, sums>{{to, totals}, high, fresh});
        }
    }
}

/// The digits of a panel that its chains use, expanded to `memory` where they are narrow or compact, as a pointer to
/// where its first digit would be. `place` of `places` panels that are kept there at a time.
template <class Traits, class Rhs>
const typename Traits::rhs_digit* panel_digits(const Rhs& rhs, dim_t panel, std::span<const chain> used,
                                               buffer<typename Traits::rhs_digit>& memory, dim_t place = 0,
                                               dim_t places = 1) {
    if (!rhs.narrow() && !rhs.compact()) return rhs.panel(panel);
    if (used.empty()) return nullptr;
    const dim_t unit = rhs.narrow_group(), first = used.front().offset / unit * unit,
                end = used.back().offset + used.back().steps * Traits::k * Traits::cols;
    const dim_t count = round_up(end - first, unit);
    if (memory.size() < places * count) memory = buffer<typename Traits::rhs_digit>(places * count, uninitialized);
    typename Traits::rhs_digit* const digits = memory.data() + place * count;
    rhs.expand(panel, first, count, digits);
    return digits - first;
}

/// Whether so many rows are a tile that expands the digits of rhs itself.
template <class Traits, class Rhs>
bool expands_in_registers(const Rhs& rhs, dim_t rows) {
    return rhs.narrow() && !rhs.five_in_a_byte() && rows <= Traits::rows && Traits::expands(atoms_for<Traits>(rows));
}

/// Loops 3 to 5 for the block [i0, i1) x panels [p0, p1) of the output.
template <class Traits, class Call>
class block_run {
    using digit = typename Traits::rhs_digit;
    using total = typename Traits::total;

public:
    [[gnu::noinline]] block_run(const Call& call, dim_t i0, dim_t i1, dim_t p0, dim_t p1,
                                worker_scratch<Traits>& scratch)
        : call_(call), scratch_(scratch), i0_(i0), i1_(i1), p0_(p0), p1_(p1),
          keep_(call.plan.blocks().size() > 1 || !call.first || !call.last) {}

    template <class Source>
    void run(const Source& source) {
        const auto& blocks = call_.plan.blocks();
        for (pc_ = 0; pc_ < blocks.size(); ++pc_) {
            const dim_t k0 = blocks[pc_].k0, k1 = blocks[pc_].k1;
            if constexpr (Source::has_windows)
                if (pc_ == 0) source.template copy_patch<Traits>(i0_, i1_, scratch_.image);
            gather_block<Traits>(source, i0_, i1_, k0, k1, scratch_);
            if (pc_ == 0) reserve_totals();
            if constexpr (Source::has_windows && Traits::floats)
                if (!call_.zeros_vanish)
                    for (auto& panel : scratch_.panels) panel.live = {panel.live.period, 0, panel.live.period};
            if constexpr (Traits::proven)
                if (!call_.rhs.whole_chains()) measure(source, k0, k1);
            scratch_.chains.list(call_.plan, call_.rhs, p0_, p1_, pc_, scratch_.norms, scratch_.norms_first,
                                 call_.zeros_vanish);
            run_block(k0, k1);
        }
    }

private:
    dim_t tiles() const { return std::ssize(scratch_.tiles) - 1; }
    void reserve_totals() {
        const dim_t size = (keep_ ? tiles() * (p1_ - p0_) : 1) * Traits::tile_size;
        if (scratch_.totals.size() >= size) return;
        // sums that nobody finishes here are added as a whole: zeros beyond the output
        scratch_.totals = call_.last ? buffer<total>(size, uninitialized) : buffer<total>(size);
    }

    /// Loops 4 and 5.
    [[gnu::noinline]] void run_block(dim_t k0, dim_t k1) {
        const bool narrow = prepare_narrow(k0, k1);
        if (rows_first(k1 - k0)) {
            scratch_.expanded.clear();
            for (dim_t jr = p0_; jr < p1_; ++jr)
                scratch_.expanded.push_back(
                    panel_digits<Traits>(call_.rhs, jr, scratch_.chains.of(jr), scratch_.rhs, jr - p0_, p1_ - p0_));
            for (dim_t ir = 0; ir < tiles(); ++ir)
                for (dim_t jr = p0_; jr < p1_; ++jr)
                    run_tile(ir, jr, scratch_.expanded[static_cast<std::size_t>(jr - p0_)], scratch_.chains.of(jr));
            return;
        }
        for (dim_t jr = p0_; jr < p1_; ++jr) {
            const std::span<const chain> used = scratch_.chains.of(jr);
            if (narrow) {
                run_narrow(jr, used);
                continue;
            }
            const digit* const digits = panel_digits<Traits>(call_.rhs, jr, used, scratch_.rhs);
            for (dim_t ir = 0; ir < tiles(); ++ir) run_tile(ir, jr, digits, used);
        }
    }

    /// Whether the panels of a block of the reduction stay in L2, expanded if they are compact. An output that lies
    /// column by column is written in the order of panels in any case, and narrow panels are expanded one by one.
    bool rows_first(dim_t length) const {
        const dim_t bytes =
            (p1_ - p0_) * Traits::cols * length * static_cast<dim_t>(sizeof(digit)) * Traits::split_planes;
        return tiles() > 1 && bytes <= call_.l2 / 2 && !call_.rhs.narrow() && call_.to.view().col_stride() == 1;
    }

    /// The norms of the block of lhs that was gathered.
    template <class Source>
    void measure(const Source& source, dim_t k0, dim_t k1) {
        if (scratch_.image.starts.empty()) {
            scratch_.norms = measure_block<Traits>(scratch_, i1_ - i0_, k1 - k0);
            scratch_.norms_first = k0;
        }
        if constexpr (Source::has_windows)
            if (!scratch_.image.starts.empty() && pc_ == 0) {
                scratch_.norms = source.template block_norms<Traits>(scratch_.image);
                scratch_.norms_first = 0;
            }
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
    void run_narrow(dim_t jr, std::span<const chain> used) {
        constexpr auto downs = tile_downs<Traits>;
        if constexpr (std::any_of(downs.begin(), downs.end(), [](int down) { return Traits::expands(down); })) {
            auto digits = call_.rhs.narrow_panel(jr);
            digits.corrections = scratch_.corrections.data();
            digits.correction_stride = ceil_div(call_.rhs.k(), Traits::block);
            run_tile(0, jr, digits, used);
        }
    }

    /// Tile ir of panel jr: its sums of this block of the reduction, then the output if that was the last block.
    template <class Panel>
    [[gnu::noinline]] void run_tile(dim_t ir, dim_t jr, Panel digits, std::span<const chain> used) {
        const auto tile = static_cast<std::size_t>(ir);
        const dim_t first = scratch_.tiles[tile], i = i0_ + first, rows = scratch_.tiles[tile + 1] - first,
                    j = jr * Traits::cols, cols = std::min<dim_t>(Traits::cols, call_.rhs.n() - j);
        const auto& lhs = scratch_.panels[tile];
        total* const totals = scratch_.totals.data() + (keep_ ? ((jr - p0_) * tiles() + ir) * Traits::tile_size : 0);
        flush_scales<Traits> scales{call_.rhs.folded() ? nullptr : call_.rhs.scales(jr), nullptr, 0, rows};
        if constexpr (Traits::policy::lhs::block > 0) {
            scales.lhs_stride = ceil_div(call_.rhs.k(), Traits::block);
            scales.lhs = call_.lhs_scales + i * scales.lhs_stride;
        }
        const bool scaled = Traits::integer_scales && !call_.rhs.folded();
        const bool fresh = call_.first && pc_ == 0, last = call_.last && pc_ + 1 == call_.plan.blocks().size();
        if constexpr (leaves_registers<Traits> && Call::target_type::plain_floats)
            if (last && (fresh || !Traits::carries) && (!scaled || (Traits::scales_in_flush && !used.empty())) &&
                !call_.check && rows == Traits::rows && cols == Traits::cols)
                if (const auto to = place_of_tile<Traits>(call_.to, call_.factors, call_.streams, i, j))
                    return run_to_output<Traits>(lhs, digits, used, scales, totals, fresh, scaled, *to);
        if constexpr (!Call::target_type::plain_floats)
            if (last) call_.to.prefetch(i, rows, j, cols);
        const int down = atoms_for<Traits>(rows);
        const bool half = multiplies_halves<Traits, Panel> && 2 * cols <= Traits::cols && !scaled && !call_.check;
        if constexpr (Traits::carries) {
            alignas(64) std::int32_t low[Traits::tile_size], high[Traits::tile_size];
            sum_tile<Traits>(down, half, lhs, digits, used, scales, low, high, true, call_.check);
            const bool carried = used.size() > 1;
            if (!keep_) {
                if (carried) return finish(carried_totals{low, high}, i, rows, j, cols);
                return finish(plain_totals<std::int32_t>{low}, i, rows, j, cols);
            }
            const dim_t width = half ? Traits::cols / 2 : Traits::cols;
            for (dim_t row = 0; row < down * Traits::atom::m; ++row)
                for (dim_t e = row * Traits::cols; e < row * Traits::cols + width; ++e)
                    totals[e] = (fresh ? 0 : totals[e]) +
                                (carried ? carried_totals{low, high}.exact(e) : static_cast<std::int64_t>(low[e]));
        } else {
            sum_tile<Traits>(down, half, lhs, digits, used, scales, totals, nullptr, fresh, call_.check);
        }
        if (last) finish(plain_totals<total>{totals}, i, rows, j, cols);
    }

    template <class Totals>
    void finish(const Totals& totals, dim_t i, dim_t rows, dim_t j, dim_t cols) const {
        finish_tile<Traits>(call_.to, call_.factors, call_.lhs_scales, totals, i, rows, j, cols);
    }

    const Call& call_;
    worker_scratch<Traits>& scratch_;
    const dim_t i0_, i1_, p0_, p1_;
    const bool keep_; ///< totals wait for the next block of the reduction
    std::size_t pc_ = 0;
};

/// Scratch of `workers` or more workers, the kept one where it is as much.
template <class Scratch>
std::span<Scratch> scratch_of(std::vector<Scratch>& scratch, dim_t workers) {
    if (std::ssize(scratch) < workers) scratch = std::vector<Scratch>(static_cast<std::size_t>(workers));
    return scratch;
}

/// What a product needs beside its operands.
template <class Traits>
struct product_memory {
    chain_plan<Traits> plan;
    output_factors<Traits> factors;
    std::vector<worker_scratch<Traits>> scratch; ///< of each worker
};

/// Loops 1 and 2.
template <class Traits, class Source, class Call>
void run_product(const Source& source, const Call& call, dim_t kc, const cache_sizes& cache,
                 product_memory<Traits>& memory, executor_ref exec) {
    const dim_t m = source.rows(), panels = call.rhs.panels(), workers = std::max(1, exec.concurrency());
    if (m == 0 || panels == 0) return;
    const dim_t line = line_of_tiles<Traits>(source), together = line > 0 ? line : Traits::rows,
                rows_fit = row_block<Traits>(cache, std::min(kc, std::max<dim_t>(1, call.rhs.k()))),
                kept = round_up(together, Traits::rows) * Traits::cols *
                       static_cast<dim_t>(sizeof(typename Traits::total));
    const task_grid grid =
        cut_output(m, together, panels, ceil_div(m, rows_fit), call.plan.blocks().size() > 1 ? kept : 0, cache.l2,
                   workers, !source.along_rows());
    const auto scratch = scratch_of(memory.scratch, workers);
    for (auto& s : scratch) s.image.clear(); // a source without windows does not
    for_each_task<Traits>(
        grid, m, panels, exec,
        [&](dim_t i0, dim_t i1, dim_t p0, dim_t p1, int worker) {
            block_run<Traits, Call>(call, i0, i1, p0, p1, scratch[static_cast<std::size_t>(worker)]).run(source);
            if (call.streams) simd::end_streams();
        },
        together);
}

/// What all products say of themselves.
template <class Traits, class Out, class Stages, class Source, class Rhs>
product_call<Traits, Out, Stages> call_of(const Source& source, std::span<const float> lhs_scales, const Rhs& rhs,
                                          const chain_plan<Traits>& plan, const output_factors<Traits>& factors,
                                          const output_target<Out, Stages>& to, const cache_sizes& cache,
                                          audit* check) {
    if constexpr (checks_lhs<typename Traits::policy>)
        source.template require_range<typename Traits::policy::lhs::format>("lhs");
    return {.rhs = rhs,
            .plan = plan,
            .lhs_scales = lhs_scales.data(),
            .to = to,
            .factors = factors,
            .check = check,
            .l2 = cache.l2,
            .streams = streams_output(to.out, cache),
            .zeros_vanish = do_zeros_vanish<Traits>(rhs, lhs_scales)};
}

/// A product of any source with a packed rhs, into any output: what gemm and all passes of a convolution come down to.
template <GemmPolicy P, class Arch, class Source, class Out, class Stages>
void multiply(const Source& source, double lhs_scale, std::span<const float> lhs_scales, const packed_rhs<P, Arch>& rhs,
              const output_target<Out, Stages>& to, executor_ref exec, audit* check) {
    const float_environment scope;
    using traits = kernel_traits<P, Arch>;
    const cache_sizes cache = cache_sizes::of_this_machine();
    dim_t kc = reduction_block<traits>(cache, source.along_rows());
    if (expands_in_registers<traits>(rhs, source.rows())) kc = std::max(kc, rhs.k()); // nothing is kept in L1
    const kept<product_memory<traits>> memory;
    memory->plan.set(rhs, kc);
    memory->factors.set(rhs, lhs_scale);
    run_product<traits>(source,
                        call_of<traits>(source, lhs_scales, rhs, memory->plan, memory->factors, to, cache, check), kc,
                        cache, *memory, exec);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
