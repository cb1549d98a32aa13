// SPDX-License-Identifier: Apache-2.0
#pragma once

// A weight gradient by Winograd's products, F(3x3,2x2), exact. A tile of 4 x 4 inputs d and 2 x 2 output gradients e
// takes 16 products for the 36 that its taps meet:
//
//   4 d_w = A' [ sum over tiles of (G e G') . (B' d B) ] A
//
//        1  0 -1  0            2  0             1  1  1  0
//   B' = 0  1  1  0       G =  1  1        A' = 0  1 -1  0
//        0 -1  1  0            1 -1             0  1  1  1
//        0  1  0 -1            0 -2
//
//   task: filters [r0, r1) x panels [p0, p1) of channels, a share of the tiles
//     for each piece of tiles
//       V[q] = G e G'                       packed (winograd_tiles.hpp)           in L2
//       U[q] = B' d B                       packed                                a panel of each in L2
//       for each panel, for each group of filters
//         M[q] = sum over the piece of V[q] U[q]      the micro-kernel            (filter, channel) in L2
//         d_w += A' M A / 4                                                       (tap, filter, channel)
//
// Both transforms grow fourfold at most, so 13-bit numbers fit int16. A piece is as many tiles as norms prove to keep
// |4 d_w| below 2^31: M and A' are then taken modulo 2^32, and d_w adds up in two int32, as carried totals do
// (gemm/totals.hpp). Two tiles always are a piece: 32 * 8191^2 < 2^31.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "intaglio/conv/winograd_tiles.hpp"
#include "intaglio/gemm/driver.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class T>
struct winograd_three {
    T a, b, c;
};
/// A' m
template <class T>
INTAGLIO_INLINE winograd_three<T> winograd_taps(T m0, T m1, T m2, T m3) {
    const T middle = m1 + m2;
    return {m0 + middle, m1 - m2, middle + m3};
}

/// A' M A for one vector of columns: f(tap, value). at(q) loads the sums of product q.
template <class At, class F>
INTAGLIO_INLINE void transform_taps(At&& at, F&& f) {
    const auto column = [&](int s) __attribute__((always_inline)) {
        return winograd_taps(at(s), at(4 + s), at(8 + s), at(12 + s));
    };
    const auto k0 = column(0), k1 = column(1), k2 = column(2), k3 = column(3);
    const auto row = [&](int tap, auto m0, auto m1, auto m2, auto m3) __attribute__((always_inline)) {
        const auto r = winograd_taps(m0, m1, m2, m3);
        f(tap, r.a);
        f(tap + 1, r.b);
        f(tap + 2, r.c);
    };
    row(0, k0.a, k1.a, k2.a, k3.a);
    row(3, k0.b, k1.b, k2.b, k3.b);
    row(6, k0.c, k1.c, k2.c, k3.c);
}

/// d_w of the panels of a task: (panel, tap, row, column) in `low`, or high * 2^carry_bits + low where the panel was
/// carried.
struct tap_totals {
    buffer<std::int32_t> low, high;
    dim_t panel_size = 0;
    std::vector<char> carried; ///< by panel
    std::vector<int> pieces;   ///< by panel: added to `low` since a carry

    void start(dim_t panels, dim_t size) {
        panel_size = size;
        if (low.size() < panels * size) {
            low = buffer<std::int32_t>(panels * size, uninitialized);
            high = buffer<std::int32_t>(panels * size, uninitialized);
        }
        carried.assign(static_cast<std::size_t>(panels), 0);
        pieces.assign(static_cast<std::size_t>(panels), 0);
    }
    /// For another piece of |d_w| < 2^29, of which an int32 holds three beside what a carry leaves.
    void make_room(dim_t panel) {
        static_assert(3 * (std::int64_t{1} << 29) + (1 << simd::carry_bits) <= 2147483647);
        int& since = pieces[static_cast<std::size_t>(panel)];
        if (since == 3) carry(panel);
        ++since;
    }
    [[gnu::noinline]] void carry(dim_t panel) {
        std::int32_t* __restrict const l = low.data() + panel * panel_size;
        std::int32_t* __restrict const h = high.data() + panel * panel_size;
        char& before = carried[static_cast<std::size_t>(panel)];
        if (before == 0) std::fill_n(h, panel_size, 0);
        for (dim_t e = 0; e < panel_size; ++e) simd::carry(l[e], h[e]);
        before = 1;
        pieces[static_cast<std::size_t>(panel)] = 0;
    }
    /// Adds a panel's totals of other tiles.
    void add(tap_totals& other, dim_t panel) {
        carry(panel);
        other.carry(panel);
        for (dim_t e = panel * panel_size; e < (panel + 1) * panel_size; ++e) {
            high[e] += other.high[e];
            low[e] += other.low[e];
        }
    }
};

/// Adds d_w of a row of `Cols` columns, or begins with it: tap t at low + t * taps.
template <int Cols, bool Fresh>
INTAGLIO_INLINE void add_taps(const std::int32_t* m, dim_t plane, std::int32_t* low, dim_t taps) {
    constexpr int lanes = std::min(simd::widest_vector / 4, Cols);
    using sums = simd::vector<std::uint32_t, lanes>;
    using ints = simd::vector<std::int32_t, lanes>;
    for (int j = 0; j < Cols; j += lanes)
        transform_taps(
            [&](int q) __attribute__((always_inline)) { return simd::load_vector<sums>(m + q * plane + j); },
            [&](int tap, sums four) __attribute__((always_inline)) {
                const ints d = reinterpret_cast<ints>(four) >> 2;
                std::int32_t* const to = low + tap * taps + j;
                simd::store_vector(to, Fresh ? d : simd::load_vector<ints>(to) + d);
            });
}

/// What output_factors asks of a product's right-hand side.
struct gradient_columns {
    dim_t count, panel_count;
    std::vector<double> scales;
    double bound = 0; ///< 32,768 times it bounds every total

    dim_t n() const { return count; }
    dim_t k() const { return 1; }
    dim_t panels() const { return panel_count; }
    const double* factors() const { return scales.data(); }
    double l1_bound(dim_t) const { return bound; }
};

/// What a worker needs for its tasks.
struct gradient_scratch {
    tile_operand v, u;
    buffer<std::int32_t> m;
    tap_totals totals;
    std::vector<std::int32_t> v_squares, u_squares;
};

/// One group of a convolution: `x` its inputs, `d_out` its output gradients, no element above winograd_largest, `out`
/// its filters, (filter, (tap, channel)).
template <GemmPolicy P, class Arch, class T>
class winograd_gradient_run {
    using traits = kernel_traits<P, Arch>;
    static constexpr int cols = traits::cols;
    static constexpr int taps = 9;
    /// Filters and channels of a task: enough that transforms are little beside products, filters so few that V stays
    /// in L2 although a chunk is long enough to pay for its way into the totals.
    static constexpr dim_t task_rows = 128, task_columns = 256;
    /// Filters whose M is summed together, a multiple of a tile of registers.
    static constexpr dim_t group = 4 * traits::rows, m_plane = apart(group * cols, 4);
    static_assert(traits::k == 2 && traits::rhs_group == 2 && cols % tile_operand::lanes == 0);

public:
    winograd_gradient_run(const image_view<std::int16_t>& x, const winograd_grid& x_grid,
                          const image_view<std::int16_t>& d_out, const winograd_grid& d_out_grid, double scale,
                          const matrix_view<T>& out, audit* check)
        : x_(x), d_out_(d_out), x_grid_(x_grid), d_out_grid_(d_out_grid), out_(out), check_(check),
          factors_(columns_of(x.count, d_out_grid), scale) {}

    /// `or_direct`: returns false, and nothing is written, where numbers are so large that tiles are summed in short
    /// pieces, which are slow.
    bool run(executor_ref exec, bool or_direct) const {
        const tile_squares x_squares(x_, x_grid_, tile_span<tile_side::inputs>, exec),
            d_out_squares(d_out_, d_out_grid_, tile_span<tile_side::gradients>, exec);
        const dim_t tiles = x_grid_.tiles();
        if (or_direct && makes_short_pieces(x_squares.bound(0, tiles), d_out_squares.bound(0, tiles))) return false;
        const dim_t workers = std::max(1, exec.concurrency()), panels = ceil_div(x_.count, cols),
                    row_blocks = ceil_div(d_out_.count, task_rows),
                    column_blocks = ceil_div(panels, std::max<dim_t>(1, task_columns / cols)),
                    blocks = row_blocks * column_blocks;
        const dim_t chunk = chunk_tiles(ceil_div(d_out_.count, row_blocks));
        // where blocks are few, workers share the tiles of each
        const dim_t shares = blocks >= 4 * workers
                                 ? 1
                                 : std::min(ceil_div(tiles, 2 * square_tiles), workers / std::gcd(blocks, workers));
        std::vector<gradient_scratch> scratch(static_cast<std::size_t>(workers));
        std::vector<tap_totals> parts(static_cast<std::size_t>(shares > 1 ? blocks * shares : 0));
        const auto block_of = [&](dim_t b) {
            const auto edge = [&](dim_t i) { // whole tiles of registers
                return std::min(d_out_.count, ceil_div(d_out_.count, traits::rows) * i / row_blocks * traits::rows);
            };
            const dim_t i = b % row_blocks, j = b / row_blocks;
            return block{edge(i), edge(i + 1), panels * j / column_blocks, panels * (j + 1) / column_blocks};
        };
        const auto share_edge = [&](dim_t share) {
            return std::min(tiles, round_up(tiles * share / shares, square_tiles));
        };
        exec.for_each(blocks * shares, [&](dim_t task, int worker) {
            [[maybe_unused]] const simd::atom_scope<typename traits::atom> scope{};
            gradient_scratch& s = scratch[static_cast<std::size_t>(worker)];
            sum_block(block_of(task / shares), share_edge(task % shares), share_edge(task % shares + 1), chunk,
                      x_squares, d_out_squares, s, shares > 1 ? parts[static_cast<std::size_t>(task)] : s.totals,
                      shares == 1);
        });
        if (shares == 1) return true;
        exec.for_each(row_blocks * panels, [&](dim_t task, int) {
            const dim_t p = task / row_blocks, j = ((p + 1) * column_blocks - 1) / panels, i = task % row_blocks;
            const block b = block_of(j * row_blocks + i);
            tap_totals* const sums = &parts[static_cast<std::size_t>((j * row_blocks + i) * shares)];
            for (dim_t share = 1; share < shares; ++share) sums->add(sums[share], p - b.p0);
            finish(b, p, 0, b.rows(), *sums);
        });
        return true;
    }

private:
    struct block {
        dim_t r0, r1, p0, p1;
        dim_t rows() const { return r1 - r0; }
        dim_t plane() const { return apart(rows() * cols, 4); }          ///< of a tap
        dim_t panel(dim_t p) const { return (p - p0) * taps * plane(); } ///< in totals
    };

    /// Of the product of both sides' squares, in units of 2^32, so that 4 d_w fits int32.
    static constexpr double limit = (1 << 26) * (1 - 0x1p-10);

    bool makes_short_pieces(std::int64_t x_squares, std::int64_t d_out_squares) const {
        constexpr double few = 4, shortest = 16; // tiles
        const double pieces = std::sqrt(static_cast<double>(x_squares) * static_cast<double>(d_out_squares) / limit);
        return pieces > few && static_cast<double>(x_grid_.tiles()) < shortest * pieces;
    }

    static gradient_columns columns_of(dim_t channels, const winograd_grid& grid) {
        const dim_t panels = ceil_div(channels, cols);
        gradient_columns c{channels, panels, std::vector<double>(static_cast<std::size_t>(panels * cols), 1.0)};
        const auto pixels = static_cast<double>(grid.batch * grid.outputs_y * grid.outputs_x);
        c.bound = pixels * winograd_largest * winograd_largest / 32768;
        return c;
    }

    /// Tiles of which V and a panel of U fill L2.
    dim_t chunk_tiles(dim_t rows) const {
        constexpr dim_t fewest = 64;
        const dim_t tiles = x_grid_.tiles(), tile_bytes = winograd_products * 2 * (rows + cols),
                    fit = std::max(fewest, cache_sizes::of_this_machine().l2 / tile_bytes);
        return round_up(ceil_div(tiles, ceil_div(tiles, fit)), square_tiles);
    }

    void sum_block(const block& b, dim_t t0, dim_t t1, dim_t chunk, const tile_squares& x_squares,
                   const tile_squares& d_out_squares, gradient_scratch& s, tap_totals& totals, bool finishes) const {
        image_view<std::int16_t> x = x_, d_out = d_out_;
        x.first_channel += b.p0 * cols;
        x.count = std::min(b.p1 * cols, x_.count) - b.p0 * cols;
        d_out.first_channel += b.r0;
        d_out.count = b.rows();
        totals.start(b.p1 - b.p0, taps * b.plane());
        constexpr dim_t m_size = winograd_products * m_plane;
        if (s.m.size() < m_size) s.m = buffer<std::int32_t>(m_size, uninitialized);
        for (dim_t t = t0, end; t < t1; t = end) {
            end = end_of_piece(b, t, std::min(t + chunk, t1), x_squares, d_out_squares, s);
            const dim_t tiles = end - t;
            s.v.shape(d_out.count, tiles, traits::rows);
            s.u.shape(x.count, tiles, cols);
            s.v.template transform<tile_side::gradients>(d_out, d_out_grid_, t, end);
            s.u.template transform<tile_side::inputs>(x, x_grid_, t, end);
            for (dim_t p = b.p0; p < b.p1; ++p) {
                totals.make_room(p - b.p0);
                for (dim_t i0 = 0, i1; i0 < b.rows(); i0 = i1) {
                    i1 = std::min(i0 + group, b.rows());
                    multiply(b, p, i0, i1, tiles, s);
                    if (check_) audit_taps(b, p, i0, i1, tiles, s);
                    add_rows(b, p, i0, i1, s.m.data(), t == t0, totals);
                    if (end == t1 && finishes) finish(b, p, i0, i1, totals);
                }
            }
        }
    }

    /// Behind as many of the tiles [t0, t1) as keep 4 d_w in int32, for all filters and channels of a block:
    ///
    ///   (4 d_w)^2 <= 16 * squares of x * squares of d_out < 2^62
    dim_t end_of_piece(const block& b, dim_t t0, dim_t t1, const tile_squares& x_squares,
                       const tile_squares& d_out_squares, gradient_scratch& s) const {
        if (static_cast<double>(x_squares.bound(t0, t1)) * static_cast<double>(d_out_squares.bound(t0, t1)) <= limit)
            return t1;
        const dim_t c0 = b.p0 * cols, c1 = std::min(b.p1 * cols, x_.count);
        s.u_squares.clear();
        s.v_squares.clear();
        for (dim_t end = t0; end < t1; end = x_squares.end_of(end)) {
            const auto u = static_cast<double>(x_squares.add(end, c0, c1, s.u_squares)),
                       v = static_cast<double>(d_out_squares.add(end, b.r0, b.r1, s.v_squares));
            if (u * v <= limit) continue;
            if (end > t0) return end - (end - t0 > 1 ? (end - t0) % 2 : 0);
            // n tiles have squares of at most 4 n 8191^2 < n 2^28 on either side, and two always fit
            const dim_t few = std::max<dim_t>(2, static_cast<dim_t>(limit / 4096 / std::min(u, v)) / 2 * 2);
            return std::min({t0 + few, std::max(t0 + 2, x_squares.end_of(t0)), t1});
        }
        return t1;
    }

    /// M[q] of rows [i0, i1) of a panel.
    [[gnu::noinline]] void multiply(const block& b, dim_t p, dim_t i0, dim_t i1, dim_t tiles,
                                    gradient_scratch& s) const {
        const flush_scales<traits> scales{};
        const chain piece{.steps = ceil_div(tiles, dim_t{2})};
        for (dim_t q = 0; q < winograd_products; ++q) {
            const std::int16_t* const u = s.u.product(q, (p - b.p0) * cols);
            lhs_panel<std::int16_t> lhs{.row_stride = 2, .step_stride = s.v.step(), .k_scale = s.v.step() / 2};
            std::int32_t* m = s.m.data() + q * m_plane;
            const std::int16_t* v = s.v.product(q, i0);
            for (dim_t i = i0; i < i1; i += traits::rows, v += s.v.block())
                for (dim_t left = std::min<dim_t>(traits::rows, i1 - i), row = 0; left > 0;) {
                    const auto [rows, down] = next_tile(left);
                    lhs.data = v + 2 * row;
                    // rows that a group's last tile has too many find room in M
                    sum_tile<traits>(down, false, lhs, u, {&piece, 1}, scales, m, nullptr, true, nullptr);
                    m += rows * cols;
                    left -= rows;
                    row += rows;
                }
        }
    }

    struct rows_of_tile {
        dim_t rows;
        int down;
    };
    /// The next tile of registers for so many rows that are left: two low ones where a whole one would be mostly empty.
    static rows_of_tile next_tile(dim_t left) {
        constexpr auto downs = tile_downs<traits>;
        const int down = left > downs[1] && left <= downs[1] + downs[3]
                             ? downs[1]
                             : atoms_for<traits>(std::min<dim_t>(traits::rows, left));
        return {std::min<dim_t>(down, left), down};
    }

    /// d_w of rows [i0, i1) of a panel from M to the totals.
    [[gnu::noinline]] void add_rows(const block& b, dim_t p, dim_t i0, dim_t i1, const std::int32_t* m, bool fresh,
                                    tap_totals& totals) const {
        std::int32_t* low = totals.low.data() + b.panel(p) + i0 * cols;
        for (dim_t i = i0; i < i1; ++i, m += cols, low += cols) {
            for (int q = 0; q < winograd_products; ++q)
                for (int j = 0; j < cols; j += 16) __builtin_prefetch(m + q * m_plane + cols + j);
            if (fresh)
                add_taps<cols, true>(m, m_plane, low, b.plane());
            else
                add_taps<cols, false>(m, m_plane, low, b.plane());
        }
    }

    /// Rows [i0, i1) of a panel to the output.
    void finish(const block& b, dim_t p, dim_t i0, dim_t i1, const tap_totals& totals) const {
        const epilogue<> none;
        const dim_t j0 = p * cols, n = std::min<dim_t>(cols, x_.count - j0);
        for (int tap = 0; tap < taps; ++tap) {
            const matrix_view<T> part = out_.columns(tap * x_.count, x_.count);
            const output_target<matrix_view<T>, epilogue<>> to{part, none};
            for (dim_t i = i0; i < i1; i += traits::rows) {
                const dim_t at = b.panel(p) + tap * b.plane() + i * cols, rows = std::min<dim_t>(traits::rows, i1 - i);
                const std::int32_t *const low = totals.low.data() + at, *const high = totals.high.data() + at;
                if (totals.carried[static_cast<std::size_t>(p - b.p0)])
                    finish_tile<traits>(to, factors_, nullptr, carried_totals{low, high}, b.r0 + i, rows, j0, n);
                else
                    finish_tile<traits>(to, factors_, nullptr, plain_totals<std::int32_t>{low}, b.r0 + i, rows, j0, n);
            }
        }
    }

    /// Shadows a piece in int64, where sums don't wrap, and counts where 4 d_w is another.
    [[gnu::noinline]] void audit_taps(const block& b, dim_t p, dim_t i0, dim_t i1, dim_t tiles,
                                      const gradient_scratch& s) const {
        const dim_t columns = std::min<dim_t>(cols, x_.count - p * cols);
        std::int64_t wrong = 0, largest = 0;
        for (dim_t i = i0; i < (check_->shadows() ? i1 : i0); ++i)
            for (dim_t j = 0; j < columns; ++j) {
                std::int64_t exact[taps];
                const auto sum = [&](int q) {
                    std::int64_t total = 0;
                    for (dim_t t = 0; t < tiles; ++t) total += s.v.at(q, t, i) * s.u.at(q, t, (p - b.p0) * cols + j);
                    return total;
                };
                transform_taps(sum, [&](int tap, std::int64_t value) { exact[tap] = value; });
                const auto sums = [&](int q) {
                    return static_cast<std::uint32_t>(s.m[q * m_plane + (i - i0) * cols + j]);
                };
                transform_taps(sums, [&](int tap, std::uint32_t value) {
                    wrong += exact[tap] != static_cast<std::int32_t>(value);
                    largest = std::max(largest, exact[tap] < 0 ? -exact[tap] : exact[tap]);
                });
            }
        check_->count(round_up(tiles, 2), taps * (i1 - i0) * columns, wrong, largest);
    }

    const image_view<std::int16_t> x_, d_out_;
    const winograd_grid x_grid_, d_out_grid_;
    const matrix_view<T> out_;
    audit* const check_;
    const output_factors<traits> factors_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
