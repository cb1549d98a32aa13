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

#include <bit>
#include <vector>

#include "intaglio/conv/winograd_filter.hpp"
#include "intaglio/gemm/driver.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

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

/// The four totals of a tile, `Cols` apart, from sums modulo 2^32, `Plane` apart, which are right since 4 y is known to
/// fit.
template <int Cols, int Plane>
INTAGLIO_INLINE void whole_outputs(const std::int32_t* m, std::int32_t* low) {
    constexpr int lanes = std::min(simd::widest_vector / 4, Cols);
    using sums = simd::vector<std::uint32_t, lanes>;
    using ints = simd::vector<std::int32_t, lanes>;
    for (int j = 0; j < Cols; j += lanes)
        transform_outputs(
            [&](int q) __attribute__((always_inline)) { return simd::load_vector<sums>(m + q * Plane + j); },
            [&](int i, sums four_y) __attribute__((always_inline)) {
                simd::store_vector(low + i * Cols + j, reinterpret_cast<ints>(four_y) >> 2);
            });
}

/// Totals of which four times each is at hand, in two parts: 4 y = high * 2^carry_bits + low.
struct quarter_totals : carried_totals {
    static constexpr auto high_unit = static_cast<float>(unit / 4);
    std::int64_t exact(dim_t e) const { return carried_totals::exact(e) / 4; }
    double wide(dim_t e) const { return carried_totals::wide(e) / 4; }
    template <int Count>
    INTAGLIO_INLINE void scale(dim_t e, const double* factors, float* v) const {
        carried_totals::scale<Count, 4>(e, factors, v);
    }
    /// Of totals up to carried_totals::largest_single, whose high part is exact in float, as any low one is: the sum of
    /// both rounds once.
    template <class Floats>
    INTAGLIO_INLINE Floats single(dim_t e, const float* factors) const {
        using ints = simd::vector<std::int32_t, sizeof(Floats) / sizeof(float)>;
        const auto part = [](const std::int32_t* from) __attribute__((always_inline)) {
            return single_total(simd::load_vector<ints>(from));
        };
        return (part(high + e) * high_unit + part(low + e) * 0.25F) * simd::load_vector<Floats>(factors);
    }
};

/// The same from sums that are exact, with their high parts (simd/atom.hpp) where chains were carried. Their halves
/// above carry_bits add up to h, and what is left of 4 y, nine low halves at most, follows from it modulo 2^32.
template <int Cols, int Plane, bool Carried>
INTAGLIO_INLINE void split_outputs(const std::int32_t* m, const std::int32_t* m_high, std::int32_t* low,
                                   std::int32_t* high) {
    constexpr int lanes = std::min(simd::widest_vector / 4, Cols);
    using ints = simd::vector<std::int32_t, lanes>;
    using sums = simd::vector<std::uint32_t, lanes>;
    for (int j = 0; j < Cols; j += lanes) {
        sums h[4];
        transform_outputs(
            [&](int q) __attribute__((always_inline)) {
                const ints carry = simd::load_vector<ints>(m + q * Plane + j) >> simd::carry_bits;
                return reinterpret_cast<sums>(carry);
            },
            [&](int i, sums value) __attribute__((always_inline)) { h[i] = value; });
        transform_outputs(
            [&](int q) __attribute__((always_inline)) { return simd::load_vector<sums>(m + q * Plane + j); },
            [&](int i, sums value) __attribute__((always_inline)) {
                simd::store_vector(low + i * Cols + j, reinterpret_cast<ints>(value - (h[i] << simd::carry_bits)));
            });
        if constexpr (Carried)
            transform_outputs(
                [&](int q) __attribute__((always_inline)) { return simd::load_vector<sums>(m_high + q * Plane + j); },
                [&](int i, sums value) __attribute__((always_inline)) { h[i] += value; });
        for (int i = 0; i < 4; ++i) simd::store_vector(high + i * Cols + j, reinterpret_cast<ints>(h[i]));
    }
}

/// What a worker needs for its blocks.
template <class Traits>
struct winograd_scratch {
    buffer<std::int16_t> v;
    dim_t stride = 0, channels = 0; ///< of v's rows, between which are zeros
    buffer<std::int32_t> m, m_high; ///< sums, (register tile, product, row, column), and what is carried from chains
    std::vector<dim_t> rows;        ///< of the output, of those outputs of the block that exist
    std::vector<unsigned char> has; ///< of each tile a bit for each output that exists
    std::vector<chain> chains[winograd_products];
    double pixels = 0;                       ///< a bound of |d|_2^2 of any pixel
    norm_table norms[winograd_products];     ///< of the transformed inputs, where chains are proven
    bool one_chain = false;                  ///< all sums of the block are known to fit
    bool fits = false, carried = false;      ///< 4 y of a panel is known to fit; or some of its sums are carried
    bool wrote_high[winograd_products] = {}; ///< what is not written in m_high is zero
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
          plane_(round_up(image.count, traits::k)), stride_(winograd_products * plane_ + 32) {
        memory_->factors.set(filter, scale);
    }

    void run(executor_ref exec) const {
        const dim_t tiles = grid_.tiles(), panels = filter_.panels();
        if (tiles == 0 || panels == 0) return;
        const dim_t l2 = cache_sizes::of_this_machine().l2, workers = std::max(1, exec.concurrency());
        const dim_t tile_bytes = 2 * stride_ + winograd_products * 4 * cols,
                    fit = std::max<dim_t>(2, l2 * 3 / 4 / tile_bytes / traits::rows) * traits::rows;
        const task_grid tasks = cut_output(tiles, traits::rows, panels, ceil_div(tiles, fit), 0, l2, workers, true);
        const auto scratch = scratch_of(memory_->scratch, workers);
        if (memory_->zeros.size() < image_.count || memory_->zeros.empty())
            memory_->zeros = buffer<element>(std::max<dim_t>(image_.count, 1));
        for_each_task<traits>(tasks, tiles, panels, exec, [&](dim_t t0, dim_t t1, dim_t p0, dim_t p1, int worker) {
            run_block(t0, t1, p0, p1, scratch[static_cast<std::size_t>(worker)]);
        });
    }

private:
    void run_block(dim_t t0, dim_t t1, dim_t p0, dim_t p1, winograd_scratch<traits>& s) const {
        const dim_t tiles = t1 - t0;
        prepare(t0, tiles, s);
        transform_inputs(image_, grid_, t0, t1, memory_->zeros.data(), s.v.data(), stride_, plane_);
        if constexpr (traits::proven) measure(t0, t1, p0, p1, s);
        const output_target<Out, Stages> to{out_, stages_, stage_column_, s.rows.data()};
        for (dim_t p = p0; p < p1; ++p) {
            cut(p, s);
            dim_t row = 0; // of the block's outputs
            for (dim_t t = 0; t < tiles; t += group) {
                const dim_t count = std::min<dim_t>(group, tiles - t);
                multiply(s, p, t, count);
                if (check_ && s.fits) audit_outputs(s, p, t, count);
                for (dim_t e = 0; e < count; e += traits::rows)
                    row = finish(s, to, p, t + e, std::min<dim_t>(traits::rows, count - e), sums_at(e), row);
            }
        }
    }

    /// Where the sums of the register tile of tile e of a group lie, in m and m_high; from product to product it is
    /// traits::tile_size.
    static constexpr dim_t sums_at(dim_t e) { return e / traits::rows * winograd_products * traits::tile_size; }

    /// Whether 4 y of a panel fits int32. Bytes always do; otherwise the norm of a window is at most three times the
    /// largest of a pixel.
    bool outputs_fit([[maybe_unused]] dim_t p, [[maybe_unused]] const winograd_scratch<traits>& s) const {
        if constexpr (traits::proven) {
            constexpr double limit = 536870911; // of y
            return 9 * s.pixels * filter_.sizes[static_cast<std::size_t>(p)] < limit * limit;
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
            if (s.fits || s.one_chain)
                s.chains[q].push_back({.steps = ceil_div(k, dim_t{traits::k})});
            else if constexpr (traits::proven)
                cut_proven({.k = 0, .length = k}, 0, k, traits::k, cols, s.norms[q], 0, filter_.products[q].norms(p),
                           s.chains[q]);
            s.carried |= s.chains[q].size() > 1;
        }
        for (std::size_t q = 0; q < (s.carried ? winograd_products : 0); ++q) {
            const bool carries = s.chains[q].size() > 1;
            if (s.wrote_high[q] && !carries)
                for (dim_t at = static_cast<dim_t>(q) * traits::tile_size; at < s.m_high.size();
                     at += winograd_products * traits::tile_size)
                    std::fill_n(s.m_high.data() + at, traits::tile_size, 0);
            s.wrote_high[q] = carries;
        }
    }

    void prepare(dim_t t0, dim_t tiles, winograd_scratch<traits>& s) const {
        const dim_t room = round_up(tiles, dim_t{traits::rows}), v_size = room * stride_,
                    m_size = winograd_products * std::min(room, group) * cols;
        // with zeros between rows and behind, which an audit of proven chains sees; products of bytes have none of it
        if (s.v.size() < v_size)
            s.v = traits::proven ? buffer<std::int16_t>(v_size) : buffer<std::int16_t>(v_size, uninitialized);
        else if (traits::proven && (s.stride != stride_ || s.channels != image_.count))
            std::fill_n(s.v.data(), s.v.size(), std::int16_t{0});
        s.stride = stride_, s.channels = image_.count;
        if (s.m.size() < m_size) {
            s.m = buffer<std::int32_t>(m_size, uninitialized);
            s.m_high = buffer<std::int32_t>(traits::proven ? m_size : 0);
            std::fill_n(s.wrote_high, winograd_products, false);
        }
        s.rows.clear();
        s.has.clear();
        winograd_place place(grid_, t0);
        for (dim_t t = 0; t < tiles; ++t, place.next()) {
            unsigned bits = 0;
            for (int i = 0; i < 4; ++i)
                if (place.has(i / 2, i % 2)) {
                    bits |= 1U << i;
                    s.rows.push_back(place.output(i / 2, i % 2));
                }
            s.has.push_back(static_cast<unsigned char>(bits));
        }
    }

    /// Of pieces shorter than 64 channels bounds are those of the piece around them.
    static constexpr int measured_level = 2;

    /// The norm of the block's pixels, and those of its transformed inputs where 4 y of some panel may not fit.
    void measure(dim_t t0, dim_t t1, dim_t p0, dim_t p1, winograd_scratch<traits>& s) const {
        using atom = typename traits::atom;
        const auto bounds = [&](auto&& rows_to) {
            square_sums most(image_.count);
            rows_to(most);
            return norms_of(most, image_.count, measured_level);
        };
        const dim_t across = grid_.across(), down = grid_.down();
        s.pixels = square_bound(bounds([&](square_sums& most) {
            for (dim_t line = t0 / across; line <= (t1 - 1) / across;) { // of tiles, image by image
                const dim_t b = line / down, end = std::min((t1 - 1) / across + 1, (b + 1) * down),
                            y0 = std::max<dim_t>(0, grid_.first_y + 2 * (line - b * down)),
                            y1 = std::min(image_.height, grid_.first_y + 2 * (end - b * down) + 2);
                if (y1 > y0)
                    measure_rows<atom, measured_level>(image_.pixel(b, y0, 0), (y1 - y0) * image_.width,
                                                       image_.channels, image_.count, most);
                line = end;
            }
        }));
        // a transformed input is the sum of four pixels
        double filters = 0;
        for (dim_t p = p0; p < p1; ++p)
            if (!outputs_fit(p, s))
                for (const auto& product : filter_.products)
                    filters = std::max(filters, square_bound(product.norms(p)));
        const bool one_chain = 16 * s.pixels * filters <= longest_sum * longest_sum;
        for (dim_t q = 0; q < (one_chain ? 0 : winograd_products); ++q)
            s.norms[q] = bounds([&](square_sums& most) {
                measure_rows<atom, measured_level>(s.v.data() + q * plane_, t1 - t0, stride_, image_.count, most);
            });
        s.one_chain = one_chain;
    }

    /// M[q] of the tiles [t, t + count) of the block.
    [[gnu::noinline]] void multiply(winograd_scratch<traits>& s, dim_t p, dim_t t, dim_t count) const {
        const bool half = traits::halves && 2 * std::min<dim_t>(cols, filter_.n() - p * cols) <= cols && !check_;
        const flush_scales<traits> scales{};
        // of bytes, whose filters come from memory for each image, the next panel is asked for meanwhile
        const dim_t digits = round_up(image_.count, dim_t{traits::k}) * cols,
                    share = !traits::proven && t == 0 ? round_up(ceil_div(digits * traits::rows, count), 32) : 0;
        for (int q = 0; q < winograd_products; ++q) {
            const auto* const u = filter_.products[static_cast<std::size_t>(q)].panel(p);
            const auto* ahead =
                filter_.products[static_cast<std::size_t>(std::min(q + 1, winograd_products - 1))].panel(p);
            for (dim_t e = 0; e < count; e += traits::rows, ahead += share) {
                for (dim_t d = 0; d < share; d += 32) __builtin_prefetch(ahead + d, 0, 2);
                const int down = atoms_for<traits>(std::min<dim_t>(traits::rows, count - e));
                const lhs_panel<std::int16_t> lhs{s.v.data() + (t + e) * stride_ + q * plane_, stride_, traits::k};
                const dim_t at = sums_at(e) + q * traits::tile_size;
                std::int32_t *const sums = s.m.data() + at, *const high =
                                                                traits::proven ? s.m_high.data() + at : nullptr;
                if (half) std::fill_n(sums, traits::tile_size, 0);
                sum_tile<traits>(down, half, lhs, u, s.chains[q], scales, sums, high, true, s.fits ? nullptr : check_);
            }
        }
    }

    /// From the sums of up to traits::rows tiles from t on, at `m`, to totals, and on to memory. `row`: their first
    /// output in `rows`; returns that of the tile behind them.
    [[gnu::noinline]] dim_t finish(const winograd_scratch<traits>& s, const output_target<Out, Stages>& to, dim_t p,
                                   dim_t t, dim_t count, dim_t m, dim_t row) const {
        constexpr int plane = traits::tile_size;
        const dim_t j0 = p * cols, n = std::min<dim_t>(cols, filter_.n() - j0);
        alignas(64) std::int32_t low[4 * traits::tile_size], high[traits::proven ? 4 * traits::tile_size : 1];
        to.prefetch(row, std::min(4 * count, std::ssize(s.rows) - row), j0, n);
        dim_t rows = 0; // of outputs that exist, one behind the other
        for (dim_t e = 0; e < count; ++e) {
            const std::int32_t* const sums = s.m.data() + m + e * cols;
            std::int32_t* const to_low = low + rows * cols;
            if (s.fits)
                whole_outputs<cols, plane>(sums, to_low);
            else if constexpr (traits::proven) {
                std::int32_t* const to_high = high + rows * cols;
                if (s.carried)
                    split_outputs<cols, plane, true>(sums, s.m_high.data() + m + e * cols, to_low, to_high);
                else
                    split_outputs<cols, plane, false>(sums, nullptr, to_low, to_high);
            }
            const unsigned has = s.has[static_cast<std::size_t>(t + e)];
            if (has == 0b0101) // the right ones don't exist
                for (auto* const totals : {low, high})
                    if (totals == low || (traits::proven && !s.fits))
                        std::copy_n(totals + (rows + 2) * cols, cols, totals + (rows + 1) * cols);
            rows += std::popcount(has);
        }
        for (dim_t i = 0; i < rows; i += traits::rows) {
            const dim_t some = std::min<dim_t>(traits::rows, rows - i);
            if (s.fits)
                finish_tile<traits>(to, memory_->factors, nullptr, plain_totals<std::int32_t>{low + i * cols}, row + i,
                                    some, j0, n);
            else if constexpr (traits::proven)
                finish_tile<traits>(to, memory_->factors, nullptr, quarter_totals{{low + i * cols, high + i * cols}},
                                    row + i, some, j0, n);
        }
        return row + rows;
    }

    /// Shadows sums that may wrap in int64, where they don't, and counts where 4 y is another.
    [[gnu::noinline]] void audit_outputs(const winograd_scratch<traits>& s, dim_t p, dim_t t0, dim_t count) const {
        const dim_t k = image_.count;
        std::int64_t wrong = 0, largest = 0;
        for (dim_t t = 0; t < (check_->shadows() ? count : 0); ++t)
            for (dim_t j = 0; j < cols; ++j) {
                std::int64_t four_y[4];
                const auto exact = [&](int q) {
                    const std::int16_t* const v = s.v.data() + (t0 + t) * stride_ + q * plane_;
                    const auto* const u = filter_.products[static_cast<std::size_t>(q)].panel(p) + j * traits::k;
                    std::int64_t sum = 0;
                    for (dim_t e = 0; e < k; ++e)
                        sum += std::int64_t{v[e]} * u[e / traits::k * traits::k * cols + e % traits::k];
                    return sum;
                };
                transform_outputs(exact, [&](int i, std::int64_t value) { four_y[i] = value; });
                const auto sums = [&](int q) {
                    return static_cast<std::uint32_t>(
                        s.m[sums_at(t) + q * traits::tile_size + t % traits::rows * cols + j]);
                };
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
    const dim_t plane_, stride_; ///< from product to product and from tile to tile in V
    const kept<winograd_memory<traits, element>> memory_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
