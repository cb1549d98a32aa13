// SPDX-License-Identifier: Apache-2.0
#pragma once

// A forward pass or an input gradient by Winograd's products (winograd.hpp): blocks of tiles whose transformed inputs
// stay in L2, sixteen products for each panel of outputs, and their transform, from which outputs go the way of every
// product (gemm/output.hpp).
//
//   task: tiles [t0, t1) x panels [p0, p1)
//     V[q]   = B' d B of each tile                               (tile, channel)    in L2
//     for each panel of outputs, for each group of tiles
//       M[q] = V[q] U[q]             the micro-kernel            (tile, column)     in L2
//       y    = A' M A / 4                                        (output, column)   in L1
//
// Where 4 y is known to fit int32, as that of bytes always is, M is one chain modulo 2^32; otherwise its chains are
// proven and carried like any other's, and y comes from both parts of it.

#include <vector>

#include "intaglio/conv/winograd_filter.hpp"
#include "intaglio/gemm/driver.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Where the four outputs of a tile go: rows of totals, or, of those that the map has not, memory that nobody reads.
struct winograd_totals {
    std::int32_t *low[4], *high[4];
};

/// A' M A for one vector of columns: f(output, value). at(q) loads the sums of product q.
template <class At, class F>
INTAGLIO_INLINE void transform_outputs(At&& at, F&& f) {
    const auto column = [&](int s) __attribute__((always_inline)) {
        return winograd_output(at(s), at(4 + s), at(8 + s), at(12 + s));
    };
    const auto k0 = column(0), k1 = column(1), k2 = column(2), k3 = column(3);
    const auto upper = winograd_output(k0.a, k1.a, k2.a, k3.a), lower = winograd_output(k0.b, k1.b, k2.b, k3.b);
    f(0, upper.a);
    f(1, upper.b);
    f(2, lower.a);
    f(3, lower.b);
}

/// The totals of a tile from sums modulo 2^32, which are right since 4 y is known to fit.
template <int Cols>
INTAGLIO_INLINE void whole_outputs(const std::int32_t* m, dim_t plane, const winograd_totals& to) {
    constexpr int lanes = std::min(simd::widest_vector / 4, Cols);
    using sums = simd::vector<std::uint32_t, lanes>;
    using ints = simd::vector<std::int32_t, lanes>;
    for (int j = 0; j < Cols; j += lanes)
        transform_outputs(
            [&](int q) __attribute__((always_inline)) { return simd::load_vector<sums>(m + q * plane + j); },
            [&](int i, sums four_y) __attribute__((always_inline)) {
                simd::store_vector(to.low[i] + j, reinterpret_cast<ints>(four_y) >> 2);
            });
}

/// The totals of a tile from sums that are exact, with their high parts (simd/atom.hpp) where chains were carried:
///
///   4 y = 2^16 h + l, of which the last is a multiple of 4;  y = 2^16 (h >> 2) + 2^14 (h & 3) + l / 4
template <int Cols, bool Carried>
INTAGLIO_INLINE void split_outputs(const std::int32_t* m, const std::int32_t* high, dim_t plane,
                                   const winograd_totals& to) {
    constexpr int lanes = std::min(simd::widest_vector / 4, Cols);
    using ints = simd::vector<std::int32_t, lanes>;
    for (int j = 0; j < Cols; j += lanes) {
        ints h[4];
        const auto sum = [&](int q) __attribute__((always_inline)) {
            return simd::load_vector<ints>(m + q * plane + j);
        };
        transform_outputs(
            [&](int q) __attribute__((always_inline)) {
                const ints carry = sum(q) >> simd::carry_bits;
                return Carried ? carry + simd::load_vector<ints>(high + q * plane + j) : carry;
            },
            [&](int i, ints value) __attribute__((always_inline)) {
                h[i] = value;
                simd::store_vector(to.high[i] + j, value >> 2);
            });
        transform_outputs(
            [&](int q) __attribute__((always_inline)) { return sum(q) & ((1 << simd::carry_bits) - 1); },
            [&](int i, ints value) __attribute__((always_inline)) {
                simd::store_vector(to.low[i] + j, ((h[i] & 3) << (simd::carry_bits - 2)) + (value >> 2));
            });
    }
}

/// What a worker needs for its blocks.
template <class Traits>
struct winograd_scratch {
    buffer<std::int16_t> v;
    dim_t stride = 0, channels = 0; ///< of v's rows, between which are zeros
    buffer<std::int32_t> m, m_high; ///< sums, and what is carried from their chains
    buffer<std::int32_t> low, high; ///< totals
    std::vector<dim_t> rows;        ///< of the output, of those outputs of the block that exist
    std::vector<dim_t> first; ///< of a tile's four, each the number of its row in `rows`, or that of the unused one
    std::vector<chain> chains[winograd_products];
    bool fits = false, carried = false; ///< 4 y of a panel is known to fit; or some of its sums are carried
    norm_table norms;                   ///< of a transformed input, a bound for any product
};

/// What a product needs beside its operands.
template <class Traits, class Element>
struct winograd_memory {
    output_factors<Traits> factors;
    buffer<Element> zeros;
    std::vector<winograd_scratch<Traits>> scratch; ///< of each worker
};

/// One group of a convolution.
template <GemmPolicy P, class Arch, class Out, class Stages>
class winograd_run {
    using traits = kernel_traits<winograd_policy<P, Arch>, Arch>;
    using element = typename P::lhs::storage;
    static constexpr int cols = traits::cols;
    /// Tiles that are multiplied together: few enough for M, of which proven chains have two parts, several to a panel
    /// of U[q] that came from far.
    static constexpr dim_t group = (traits::proven ? 3 : 6) * traits::rows;

public:
    winograd_run(const image_view<element>& image, const winograd_grid& grid, double scale,
                 const winograd_filter<P, Arch>& filter, const Out& out, const Stages& stages, dim_t stage_column,
                 audit* check)
        : image_(image), grid_(grid), filter_(filter), out_(out), stages_(stages), stage_column_(stage_column),
          check_(check),
          // rows a multiple of 2 KiB apart fall into the same sets of L1
          stride_(round_up(image.count, traits::k) + (image.count > 0 && image.count % 512 == 0 ? 32 : 0)) {
        memory_->factors.set(filter, scale);
    }

    void run(executor_ref exec) const {
        const dim_t tiles = grid_.tiles(), panels = filter_.panels();
        if (tiles == 0 || panels == 0) return;
        const dim_t l2 = cache_sizes::of_this_machine().l2, workers = std::max(1, exec.concurrency());
        const dim_t tile_bytes = winograd_products * (2 * stride_ + 4 * cols),
                    fit = std::max<dim_t>(2, l2 * 3 / 4 / tile_bytes / traits::rows) * traits::rows;
        const task_grid tasks = cut_output(tiles, traits::rows, panels, ceil_div(tiles, fit), 0, l2, workers);
        const auto scratch = scratch_of(memory_->scratch, workers);
        if (memory_->zeros.size() < image_.count || memory_->zeros.empty())
            memory_->zeros = buffer<element>(std::max<dim_t>(image_.count, 1));
        for_each_task<traits>(tasks, tiles, panels, exec, [&](dim_t t0, dim_t t1, dim_t p0, dim_t p1, int worker) {
            run_block(t0, t1, p0, p1, scratch[static_cast<std::size_t>(worker)]);
        });
    }

private:
    void run_block(dim_t t0, dim_t t1, dim_t p0, dim_t p1, winograd_scratch<traits>& s) const {
        const dim_t tiles = t1 - t0, room = round_up(tiles, traits::rows);
        prepare(t0, tiles, room, s);
        transform_inputs(image_, grid_, t0, t1, memory_->zeros.data(), s.v.data(), stride_, room * stride_);
        if constexpr (traits::proven) measure(t0, t1, s.norms);
        const output_target<Out, Stages> to{out_, stages_, stage_column_, s.rows.data()};
        for (dim_t p = p0; p < p1; ++p) {
            cut(p, s);
            for (dim_t t = 0; t < tiles; t += group) {
                const dim_t count = std::min<dim_t>(group, tiles - t);
                multiply(s, p, t, count, room);
                if (check_ && s.fits) audit_outputs(s, p, t, count, room);
                finish(s, to, p, t, count, tiles);
            }
        }
    }

    /// Whether 4 y of a panel fits int32. Bytes always do; otherwise the norm of a window is at most three times, that
    /// of a transformed input four times, the largest of a pixel.
    bool outputs_fit([[maybe_unused]] dim_t p, [[maybe_unused]] const winograd_scratch<traits>& s) const {
        if constexpr (traits::proven) {
            constexpr double limit = 536870911; // of y
            double pixels = 0;
            for (dim_t e = 0; e < s.norms.pieces(norm_levels - 1); ++e)
                pixels += static_cast<double>(s.norms.at(norm_levels - 1, e)) / 16;
            return 9 * pixels * filter_.sizes[static_cast<std::size_t>(p)] < limit * limit;
        }
        return true;
    }

    /// The chains of a panel: one for each product where 4 y is known to fit, otherwise as the sums' own norms have it.
    void cut(dim_t p, winograd_scratch<traits>& s) const {
        s.fits = outputs_fit(p, s);
        s.carried = false;
        const dim_t k = image_.count;
        for (std::size_t q = 0; q < winograd_products; ++q) {
            s.chains[q].clear();
            if (s.fits)
                s.chains[q].push_back({.steps = ceil_div(k, dim_t{traits::k})});
            else if constexpr (traits::proven)
                cut_proven({.k = 0, .length = k}, 0, k, traits::k, cols, s.norms, 0, filter_.products[q].norms(p),
                           s.chains[q]);
            s.carried |= s.chains[q].size() > 1;
        }
    }

    void prepare(dim_t t0, dim_t tiles, dim_t room, winograd_scratch<traits>& s) const {
        const dim_t v_size = winograd_products * room * stride_,
                    m_size = winograd_products * std::min(room, group) * cols, totals = (4 * tiles + 1) * cols;
        // with zeros between rows and behind, which an audit of proven chains sees; products of bytes have none of it
        if (s.v.size() < v_size)
            s.v = traits::proven ? buffer<std::int16_t>(v_size) : buffer<std::int16_t>(v_size, uninitialized);
        else if (traits::proven && (s.stride != stride_ || s.channels != image_.count))
            std::fill_n(s.v.data(), s.v.size(), std::int16_t{0});
        s.stride = stride_, s.channels = image_.count;
        if (s.m.size() < m_size) {
            s.m = buffer<std::int32_t>(m_size, uninitialized);
            s.m_high = buffer<std::int32_t>(m_size, uninitialized);
        }
        if (s.low.size() < totals) {
            s.low = buffer<std::int32_t>(totals, uninitialized);
            s.high = buffer<std::int32_t>(totals, uninitialized);
        }
        s.rows.clear();
        s.first.resize(static_cast<std::size_t>(4 * tiles));
        winograd_place place(grid_, t0);
        for (dim_t t = 0; t < tiles; ++t, place.next())
            for (int i = 0; i < 4; ++i) {
                const bool has = place.has(i / 2, i % 2);
                s.first[static_cast<std::size_t>(4 * t + i)] = has ? std::ssize(s.rows) : 4 * tiles;
                if (has) s.rows.push_back(place.output(i / 2, i % 2));
            }
    }

    /// The norms of all transformed inputs of the block: sums of four pixels, each of them at most as large as any in
    /// the lines that the block reads.
    void measure(dim_t t0, dim_t t1, norm_table& norms) const {
        square_sums most(image_.count);
        const dim_t across = grid_.across(), down = grid_.down();
        for (dim_t line = t0 / across; line <= (t1 - 1) / across;) { // of tiles, image by image
            const dim_t b = line / down, end = std::min((t1 - 1) / across + 1, (b + 1) * down),
                        y0 = std::max<dim_t>(0, grid_.first_y + 2 * (line - b * down)),
                        y1 = std::min(image_.height, grid_.first_y + 2 * (end - b * down) + 2);
            if (y1 > y0)
                measure_rows<typename traits::atom>(image_.pixel(b, y0, 0), (y1 - y0) * image_.width, image_.channels,
                                                    image_.count, most);
            line = end;
        }
        norms = norms_of(most, image_.count);
        for (int level = 0; level < norm_levels; ++level)
            for (dim_t p = 0; p < norms.pieces(level); ++p) norms.at(level, p) = round_norm_up(16 * norms.at(level, p));
    }

    /// M[q] of the tiles [t, t + count) of the block.
    [[gnu::noinline]] void multiply(winograd_scratch<traits>& s, dim_t p, dim_t t, dim_t count, dim_t room) const {
        const dim_t n = std::min<dim_t>(cols, filter_.n() - p * cols),
                    digits = round_up(image_.count, traits::k) * cols, plane = round_up(count, traits::rows) * cols;
        const flush_scales<traits> scales{};
        for (std::size_t q = 0; q < winograd_products; ++q) {
            const auto* const u = filter_.products[q].panel(p);
            const auto* ahead = filter_.products[std::min<std::size_t>(q + 1, winograd_products - 1)].panel(p);
            // the next panel is asked for meanwhile
            const dim_t share = t == 0 ? round_up(ceil_div(digits * traits::rows, count), 32) : 0;
            const auto at = static_cast<dim_t>(q);
            for (dim_t e = 0; e < count; e += traits::rows, ahead += share) {
                for (dim_t d = 0; d < share; d += 32) __builtin_prefetch(ahead + d, 0, 2);
                const int down = atoms_for<traits>(std::min<dim_t>(traits::rows, count - e));
                const bool half = traits::halves && 2 * n <= cols && !check_;
                const lhs_panel<std::int16_t> lhs{s.v.data() + (at * room + t + e) * stride_, stride_, traits::k};
                std::int32_t *const sums = s.m.data() + at * plane + e * cols, *const high = s.m_high.data() +
                                                                                             at * plane + e * cols;
                if (half) std::fill_n(sums, traits::tile_size, 0);
                if (s.carried && (half || s.chains[q].size() == 1)) std::fill_n(high, traits::tile_size, 0);
                sum_tile<traits>(down, half, lhs, u, s.chains[q], scales, sums, high, true, s.fits ? nullptr : check_);
            }
        }
    }

    /// From sums to totals, and on to memory.
    [[gnu::noinline]] void finish(winograd_scratch<traits>& s, const output_target<Out, Stages>& to, dim_t p, dim_t t,
                                  dim_t count, dim_t tiles) const {
        const dim_t j0 = p * cols, n = std::min<dim_t>(cols, filter_.n() - j0),
                    plane = round_up(count, traits::rows) * cols;
        const dim_t* const place = s.first.data() + 4 * t;
        for (dim_t e = 0; e < count; ++e) {
            winograd_totals totals;
            for (int i = 0; i < 4; ++i) {
                const dim_t at = place[4 * e + i] * cols;
                totals.low[i] = s.low.data() + at;
                totals.high[i] = s.high.data() + at;
            }
            const std::int32_t *m = s.m.data() + e * cols, *high = s.m_high.data() + e * cols;
            if (s.fits)
                whole_outputs<cols>(m, plane, totals);
            else if (s.carried)
                split_outputs<cols, true>(m, high, plane, totals);
            else
                split_outputs<cols, false>(m, high, plane, totals);
        }
        // rows are numbered in order, and each tile has a first output
        const dim_t end = t + count < tiles ? place[4 * count] : std::ssize(s.rows);
        for (dim_t i = place[0]; i < end; i += traits::rows) {
            const dim_t rows = std::min<dim_t>(traits::rows, end - i);
            to.prefetch(i, rows, j0);
            const std::int32_t *low = s.low.data() + i * cols, *high = s.high.data() + i * cols;
            if (s.fits)
                finish_tile<traits>(to, memory_->factors, nullptr, plain_totals<std::int32_t>{low}, i, rows, j0, n);
            else if constexpr (traits::proven)
                finish_tile<traits>(to, memory_->factors, nullptr, carried_totals{low, high}, i, rows, j0, n);
        }
    }

    /// Shadows sums that may wrap in int64, where they don't, and counts where 4 y is another.
    [[gnu::noinline]] void audit_outputs(const winograd_scratch<traits>& s, dim_t p, dim_t t0, dim_t count,
                                         dim_t room) const {
        const dim_t k = image_.count, plane = round_up(count, traits::rows) * cols;
        std::int64_t wrong = 0, largest = 0;
        for (dim_t t = 0; t < (check_->shadows() ? count : 0); ++t)
            for (dim_t j = 0; j < cols; ++j) {
                std::int64_t four_y[4];
                const auto exact = [&](int q) {
                    const std::int16_t* const v = s.v.data() + (q * room + t0 + t) * stride_;
                    const auto* const u = filter_.products[static_cast<std::size_t>(q)].panel(p) + j * traits::k;
                    std::int64_t sum = 0;
                    for (dim_t e = 0; e < k; ++e)
                        sum += std::int64_t{v[e]} * u[e / traits::k * traits::k * cols + e % traits::k];
                    return sum;
                };
                transform_outputs(exact, [&](int i, std::int64_t value) { four_y[i] = value; });
                const auto sums = [&](int q) { return static_cast<std::uint32_t>(s.m[q * plane + t * cols + j]); };
                transform_outputs(sums, [&](int i, std::uint32_t value) {
                    wrong += four_y[i] != static_cast<std::int32_t>(value);
                    largest = std::max(largest, four_y[i] < 0 ? -four_y[i] : four_y[i]);
                });
            }
        check_->count(round_up(k, traits::k), 4 * count * cols, wrong, largest);
    }

    const image_view<element>& image_;
    const winograd_grid& grid_;
    const winograd_filter<P, Arch>& filter_;
    const Out& out_;
    const Stages& stages_;
    const dim_t stage_column_;
    audit* const check_;
    const dim_t stride_; ///< of a tile in V
    const kept<winograd_memory<traits, element>> memory_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
