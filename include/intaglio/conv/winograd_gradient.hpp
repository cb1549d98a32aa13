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
//     for each chunk of tiles
//       V[q] = G e G', U[q] = B' d B        packed (winograd_tiles.hpp)           in L2
//       for each panel, for each piece of the chunk
//         M[q] = sum over the piece of V[q] U[q]      the micro-kernel            (filter, channel) in L2
//         d_w += A' M A / 4                                                       (tap, filter, channel)
//
// Both transforms grow fourfold at most, so 13-bit numbers fit int16. A piece is as many tiles as norms prove to keep
// |4 d_w| below 2^31: M and A' are then taken modulo 2^32, and d_w adds up in two int32, as carried totals do
// (gemm/totals.hpp). Two tiles always are a piece: 32 * 8191^2 < 2^31.

#include <array>
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

/// d_w of some rows of a panel, high * 2^carry_bits + low with 0 <= low < 2^carry_bits: (tap, row, column).
struct tap_totals {
    buffer<std::int32_t> low, high;

    void reserve(dim_t size) {
        if (low.size() >= size) return;
        low = buffer<std::int32_t>(size, uninitialized);
        high = buffer<std::int32_t>(size, uninitialized);
    }
};

/// Adds d_w of a row of `Cols` columns, or begins with it: tap t at low + t * taps.
template <int Cols, bool Fresh>
INTAGLIO_INLINE void add_taps(const std::int32_t* m, dim_t plane, std::int32_t* low, std::int32_t* high, dim_t taps) {
    constexpr int lanes = std::min(simd::widest_vector / 4, Cols);
    constexpr std::int32_t mask = (1 << simd::carry_bits) - 1;
    using sums = simd::vector<std::uint32_t, lanes>;
    using ints = simd::vector<std::int32_t, lanes>;
    for (int j = 0; j < Cols; j += lanes)
        transform_taps([&](int q)
                           __attribute__((always_inline)) { return simd::load_vector<sums>(m + q * plane + j); },
                       [&](int tap, sums four) __attribute__((always_inline)) {
                           const ints d = reinterpret_cast<ints>(four) >> 2;
                           std::int32_t *const l = low + tap * taps + j, *const h = high + tap * taps + j;
                           if constexpr (Fresh) {
                               simd::store_vector(l, d & mask);
                               simd::store_vector(h, d >> simd::carry_bits);
                           } else {
                               const ints sum = simd::load_vector<ints>(l) + (d & mask);
                               simd::store_vector(l, sum & mask);
                               simd::store_vector(h, simd::load_vector<ints>(h) + (d >> simd::carry_bits) +
                                                         (sum >> simd::carry_bits));
                           }
                       });
}

/// What output_factors asks of a product's right-hand side.
struct gradient_columns {
    dim_t count, panel_count;
    std::vector<double> scales;
    norm_table bound{1}; ///< 32,768 times its root bounds every total

    dim_t n() const { return count; }
    dim_t k() const { return 1; }
    dim_t panels() const { return panel_count; }
    const double* factors() const { return scales.data(); }
    const norm_table& norms(dim_t) const { return bound; }
};

/// What a worker needs for its tasks.
struct gradient_scratch {
    tile_operand v, u;
    tile_squares v_squares, u_squares;
    buffer<std::int32_t> m;
    tap_totals totals;
    std::vector<chain> pieces;
};

/// One group of a convolution: `x` its inputs, `d_out` its output gradients, no element above winograd_largest, `out`
/// its filters, (filter, (tap, channel)).
template <GemmPolicy P, class Arch, class T>
class winograd_gradient_run {
    using traits = kernel_traits<P, Arch>;
    static constexpr int cols = traits::cols;
    static constexpr int taps = 9;
    /// Filters and channels of a task: large enough that transforms are little beside products, small enough that
    /// totals and a chunk of tiles stay in L2.
    static constexpr dim_t task_rows = 64, task_columns = 64;
    static_assert(traits::k == 2 && traits::rhs_group == 2 && cols % tile_operand::lanes == 0);

public:
    winograd_gradient_run(const image_view<std::int16_t>& x, const winograd_grid& x_grid,
                          const image_view<std::int16_t>& d_out, const winograd_grid& d_out_grid, double scale,
                          const matrix_view<T>& out, audit* check)
        : x_(x), d_out_(d_out), x_grid_(x_grid), d_out_grid_(d_out_grid), out_(out), check_(check),
          factors_(columns_of(x.count, d_out_grid), scale) {}

    void run(executor_ref exec) const {
        const dim_t workers = std::max(1, exec.concurrency()), panels = ceil_div(x_.count, cols);
        const dim_t row_blocks = ceil_div(d_out_.count, task_rows),
                    column_blocks = ceil_div(panels, std::max<dim_t>(1, task_columns / cols));
        const dim_t chunk = chunk_tiles(ceil_div(d_out_.count, row_blocks), ceil_div(panels, column_blocks) * cols);
        const dim_t blocks = row_blocks * column_blocks;
        // where blocks are few, workers share the tiles of each
        const dim_t shares = std::min(ceil_div(x_grid_.tiles(), chunk), ceil_div(workers, blocks));
        std::vector<gradient_scratch> scratch(static_cast<std::size_t>(workers));
        std::vector<tap_totals> parts(static_cast<std::size_t>(shares > 1 ? blocks * shares : 0));
        const auto block_of = [&](dim_t b) {
            const dim_t i = b % row_blocks, j = b / row_blocks;
            return block{d_out_.count * i / row_blocks, d_out_.count * (i + 1) / row_blocks, panels * j / column_blocks,
                         panels * (j + 1) / column_blocks};
        };
        const auto share_edge = [&](dim_t share) {
            return std::min(x_grid_.tiles(), round_up(x_grid_.tiles() * share / shares, norm_step));
        };
        exec.for_each(blocks * shares, [&](dim_t task, int worker) {
            [[maybe_unused]] const simd::atom_scope<typename traits::atom> scope{};
            const block b = block_of(task / shares);
            gradient_scratch& s = scratch[static_cast<std::size_t>(worker)];
            tap_totals& totals = shares > 1 ? parts[static_cast<std::size_t>(task)] : s.totals;
            sum_block(b, share_edge(task % shares), share_edge(task % shares + 1), chunk, s, totals);
            if (shares == 1) finish(b, totals);
        });
        if (shares == 1) return;
        exec.for_each(blocks, [&](dim_t b, int) {
            tap_totals& totals = parts[static_cast<std::size_t>(b * shares)];
            for (dim_t share = 1; share < shares; ++share)
                add(parts[static_cast<std::size_t>(b * shares + share)], totals);
            finish(block_of(b), totals);
        });
    }

private:
    struct block {
        dim_t r0, r1, p0, p1;
        dim_t rows() const { return r1 - r0; }
        dim_t plane() const { return rows() * cols; }                        ///< of M and of a tap
        dim_t totals_at(dim_t p) const { return (p - p0) * taps * plane(); } ///< of a panel
    };

    static gradient_columns columns_of(dim_t channels, const winograd_grid& grid) {
        const dim_t panels = ceil_div(channels, cols);
        gradient_columns c{channels, panels, std::vector<double>(static_cast<std::size_t>(panels * cols), 1.0)};
        const double pixels = static_cast<double>(grid.batch * grid.outputs_y * grid.outputs_x),
                     root = pixels * winograd_largest * winograd_largest / 32768;
        c.bound.at(norm_levels - 1, 0) = round_norm_up(static_cast<float>(root * root));
        return c;
    }

    /// Tiles whose transforms stay in L2 beside what a panel adds up; whole pieces of norms.
    dim_t chunk_tiles(dim_t rows, dim_t columns) const {
        const dim_t l2 = cache_sizes::of_this_machine().l2, tile_bytes = winograd_products * 2 * (rows + columns),
                    kept = 4 * (winograd_products + 2 * taps) * rows * cols;
        const dim_t fit = std::max<dim_t>(norm_step, (l2 * 3 / 4 - kept) / tile_bytes / norm_step * norm_step);
        return round_up(ceil_div(x_grid_.tiles(), ceil_div(x_grid_.tiles(), fit)), norm_step);
    }

    void sum_block(const block& b, dim_t t0, dim_t t1, dim_t chunk, gradient_scratch& s, tap_totals& totals) const {
        const dim_t c0 = b.p0 * cols, c1 = std::min(b.p1 * cols, x_.count);
        image_view<std::int16_t> x = x_, d_out = d_out_;
        x.first_channel += c0;
        x.count = c1 - c0;
        d_out.first_channel += b.r0;
        d_out.count = b.rows();
        totals.reserve(b.totals_at(b.p1));
        const dim_t m_size = winograd_products * b.plane() + traits::tile_size;
        if (s.m.size() < m_size) s.m = buffer<std::int32_t>(m_size, uninitialized);
        bool fresh = true;
        for (dim_t t = t0; t < t1; t += chunk) {
            const dim_t end = std::min(t + chunk, t1);
            s.v.shape(d_out.count, end - t, 0);
            s.u.shape(x.count, end - t, cols);
            s.v.template transform<tile_side::gradients>(d_out, d_out_grid_, t, end);
            s.u.template transform<tile_side::inputs>(x, x_grid_, t, end);
            s.v_squares.template measure<tile_side::gradients>(d_out, d_out_grid_, t, end);
            s.u_squares.template measure<tile_side::inputs>(x, x_grid_, t, end);
            const norm_table rows = s.v_squares.norms(0, d_out.count);
            for (dim_t p = b.p0; p < b.p1; ++p) {
                const dim_t first = (p - b.p0) * cols;
                s.pieces.clear();
                cut_proven({.k = 0, .length = end - t}, 0, end - t, traits::k, cols, rows, 0,
                           s.u_squares.norms(first, std::min(first + cols, x.count)), s.pieces);
                for (std::size_t i = 0; i < s.pieces.size(); ++i) {
                    multiply(b, p, s.pieces[i], s);
                    if (check_) audit_taps(b, p, s.pieces[i], s);
                    add_panel(b, p, s.m.data(), fresh && i == 0, totals);
                }
            }
            fresh = false;
        }
    }

    /// M[q] of a panel, over a piece.
    [[gnu::noinline]] void multiply(const block& b, dim_t p, const chain& piece, gradient_scratch& s) const {
        const flush_scales<traits> scales{};
        for (dim_t q = 0; q < winograd_products; ++q)
            for (dim_t i = 0; i < b.rows();) {
                const auto [rows, down] = next_tile(b.rows() - i);
                const lhs_panel<std::int16_t> lhs{.data = s.v.product(q, 0) + 2 * i,
                                                  .row_stride = 2,
                                                  .step_stride = s.v.step(),
                                                  .k_scale = s.v.step() / 2};
                // rows that a tile has too many are overwritten by those of the next product
                sum_tile<traits>(down, false, lhs, s.u.product(q, p - b.p0), {&piece, 1}, scales,
                                 s.m.data() + q * b.plane() + i * cols, nullptr, true, nullptr);
                i += rows;
            }
    }

    struct rows_of_tile {
        dim_t rows;
        int down;
    };
    /// The next tile of registers for so many rows that are left: two low ones where a whole one would be mostly empty.
    static rows_of_tile next_tile(dim_t left) {
        constexpr auto downs = tile_downs<traits>;
        const int down = left > downs[1] && left <= downs[1] + downs[2]
                             ? downs[1]
                             : atoms_for<traits>(std::min<dim_t>(traits::rows, left));
        return {std::min<dim_t>(down, left), down};
    }

    [[gnu::noinline]] void add_panel(const block& b, dim_t p, const std::int32_t* m, bool fresh,
                                     tap_totals& totals) const {
        std::int32_t *const low = totals.low.data() + b.totals_at(p), *const high = totals.high.data() + b.totals_at(p);
        for (dim_t e = 0; e < b.plane(); e += cols)
            if (fresh)
                add_taps<cols, true>(m + e, b.plane(), low + e, high + e, b.plane());
            else
                add_taps<cols, false>(m + e, b.plane(), low + e, high + e, b.plane());
    }

    static void add(const tap_totals& from, tap_totals& to) {
        for (dim_t e = 0; e < to.low.size(); ++e) {
            to.high[e] += from.high[e];
            to.low[e] += from.low[e];
            simd::carry(to.low[e], to.high[e]);
        }
    }

    void finish(const block& b, const tap_totals& totals) const {
        const epilogue<> none;
        for (int tap = 0; tap < taps; ++tap) {
            const matrix_view<T> part =
                out_.columns(tap * x_.count, x_.count);
            const output_target<matrix_view<T>, epilogue<>> to{part, none};
            for (dim_t p = b.p0; p < b.p1; ++p) {
                const dim_t first = b.totals_at(p) + tap * b.plane(), j0 = p * cols;
                for (dim_t i = 0; i < b.rows(); i += traits::rows) {
                    const carried_totals tile{totals.low.data() + first + i * cols,
                                              totals.high.data() + first + i * cols};
                    finish_tile<traits>(to, factors_, nullptr, tile, b.r0 + i,
                                        std::min<dim_t>(traits::rows, b.rows() - i), j0,
                                        std::min<dim_t>(cols, x_.count - j0));
                }
            }
        }
    }

    /// Shadows a piece in int64, where sums don't wrap, and counts where 4 d_w is another.
    [[gnu::noinline]] void audit_taps(const block& b, dim_t p, const chain& piece, const gradient_scratch& s) const {
        const dim_t columns = std::min<dim_t>(cols, x_.count - p * cols);
        std::int64_t wrong = 0, largest = 0;
        for (dim_t i = 0; i < (check_->shadows() ? b.rows() : 0); ++i)
            for (dim_t j = 0; j < columns; ++j) {
                std::int64_t exact[taps];
                const auto sum = [&](int q) {
                    std::int64_t total = 0;
                    for (dim_t t = piece.k; t < piece.k + 2 * piece.steps; ++t)
                        total += s.v.at(q, t, i) * s.u.at(q, t, (p - b.p0) * cols + j);
                    return total;
                };
                transform_taps(sum, [&](int tap, std::int64_t value) { exact[tap] = value; });
                const auto sums = [&](int q) {
                    return static_cast<std::uint32_t>(s.m[q * b.plane() + i * cols + j]);
                };
                transform_taps(sums, [&](int tap, std::uint32_t value) {
                    wrong += exact[tap] != static_cast<std::int32_t>(value);
                    largest = std::max(largest, exact[tap] < 0 ? -exact[tap] : exact[tap]);
                });
            }
        check_->count(2 * piece.steps, taps * b.rows() * columns, wrong, largest);
    }

    const image_view<std::int16_t>&x_, &d_out_;
    const winograd_grid &x_grid_, &d_out_grid_;
    const matrix_view<T>& out_;
    audit* const check_;
    const output_factors<traits> factors_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
