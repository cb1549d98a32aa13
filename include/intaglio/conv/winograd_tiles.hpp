// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two operands of a weight gradient by Winograd's products (winograd_gradient.hpp): 4 x 4 inputs and 2 x 2 output
// gradients of each tile, transformed and packed as the kernel multiplies them, two tiles to a step of the atom:
//
//   step s, product q:   | c0 of tile 2s, c0 of tile 2s + 1 | c1 of tile 2s, c1 of tile 2s + 1 | ..
//
// and the squares from which follows how many tiles may be summed before the sums must be transformed back.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/conv/winograd.hpp"
#include "intaglio/core/buffer.hpp"
#include "intaglio/gemm/norms.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// One dimension of a tile's output gradients: (2 a, a + b, a - b, -2 b).
template <class T>
INTAGLIO_INLINE winograd_four<T> winograd_gradients(T a, T b) {
    return {static_cast<T>(a + a), static_cast<T>(a + b), static_cast<T>(a - b), static_cast<T>(-b - b)};
}

/// The products of a tile of 2 x 2: put(q, product) of the gradients at(row, column).
template <class At, class Put>
INTAGLIO_INLINE void gradient_products(At&& at, Put&& put) {
    const auto k0 = winograd_gradients(at(0, 0), at(1, 0)), k1 = winograd_gradients(at(0, 1), at(1, 1));
    const auto row = [&](int q, auto a, auto b) __attribute__((always_inline)) {
        const auto r = winograd_gradients(a, b);
        put(q, r.a);
        put(q + 1, r.b);
        put(q + 2, r.c);
        put(q + 3, r.d);
    };
    row(0, k0.a, k1.a);
    row(4, k0.b, k1.b);
    row(8, k0.c, k1.c);
    row(12, k0.d, k1.d);
}

/// What a tile's side of the products is made of: 4 x 4 inputs, or 2 x 2 output gradients.
enum class tile_side { inputs, gradients };
/// Pixels of a tile along each axis.
template <tile_side Side>
constexpr int tile_span = Side == tile_side::inputs ? 4 : 2;

/// `Lanes` channels of two tiles, channel by channel.
template <int Lanes>
INTAGLIO_INLINE auto load_pairs(const std::int16_t* first, const std::int16_t* second) {
    using words = simd::vector<std::uint16_t, Lanes>;
    using pairs = simd::vector<std::uint32_t, Lanes>;
    const auto wide = [](const std::int16_t* p) __attribute__((always_inline)) {
        return __builtin_convertvector(simd::load_vector<words>(p), pairs);
    };
    return reinterpret_cast<simd::vector<std::int16_t, 2 * Lanes>>(wide(first) | wide(second) << 16);
}

/// One side of a chunk of tiles for some of the channels. Product q of channel c of the tiles 2s and 2s + 1 lies at
/// q * plane + c / width * block + s * step + 2 (c % width).
class tile_operand {
public:
    static constexpr int lanes = simd::widest_vector / 4; ///< channels to a vector

    /// Blocks of `width` channels, a multiple of the vector's: panels of the product's right-hand side. 0: one block.
    void shape(dim_t channels, dim_t tiles, dim_t width) {
        channels_ = channels;
        width_ = width > 0 ? width : round_up(channels, lanes);
        step_ = 2 * width_;
        block_ = ceil_div(tiles, dim_t{2}) * step_;
        plane_ = ceil_div(channels, width_) * block_;
        // a tile of registers may reach beyond the last rows
        const dim_t size = winograd_products * plane_ + 2 * slack;
        if (memory_.size() < size) memory_ = buffer<std::int16_t>(size);
    }

    const std::int16_t* product(dim_t q, dim_t block) const { return memory_.data() + q * plane_ + block * block_; }
    dim_t step() const { return step_; }
    /// A transformed number, for those who check.
    std::int64_t at(dim_t q, dim_t tile, dim_t c) const {
        return product(q, c / width_)[tile / 2 * step_ + c % width_ * 2 + tile % 2];
    }

    /// Transforms tiles [t0, t1) of the image's channels.
    template <tile_side Side>
    [[gnu::noinline]] void transform(const image_view<std::int16_t>& image, const winograd_grid& grid, dim_t t0,
                                     dim_t t1) {
        constexpr auto count = static_cast<std::size_t>(tile_span<Side> * tile_span<Side>);
        const buffer<std::int16_t> zeros(std::max<dim_t>(1, channels_));
        winograd_place place(grid, t0);
        for (dim_t t = t0; t < t1; t += 2) {
            const std::int16_t *first[count], *second[count];
            place.template pixels<tile_span<Side>>(image, zeros.data(), first);
            place.next();
            if (t + 1 < t1) {
                place.template pixels<tile_span<Side>>(image, zeros.data(), second);
                place.next();
            } else {
                std::fill_n(second, count, zeros.data());
            }
            std::int16_t* const to = memory_.data() + (t - t0) / 2 * step_;
            dim_t c = 0;
            for (; c + lanes <= channels_; c += lanes) put<Side>(first, second, c, to + place_of(c));
            if (c < channels_) put_rest<Side>(first, second, c, to + place_of(c));
        }
    }

private:
    static constexpr dim_t slack = 32; ///< rows of the tallest tile of registers, and more

    dim_t place_of(dim_t c) const { return c / width_ * block_ + c % width_ * 2; }

    template <tile_side Side, std::size_t Count>
    INTAGLIO_INLINE void put(const std::int16_t* const (&first)[Count], const std::int16_t* const (&second)[Count],
                             dim_t c, std::int16_t* to) const {
        const auto at = [&](int i, int j) __attribute__((always_inline)) {
            const int e = i * tile_span<Side> + j;
            return load_pairs<lanes>(first[e] + c, second[e] + c);
        };
        const auto store = [&](int q, auto value) __attribute__((always_inline)) {
            simd::store_vector(to + q * plane_, value);
        };
        if constexpr (Side == tile_side::inputs)
            input_products(at, store);
        else
            gradient_products(at, store);
    }
    /// The last channels, beside zeros.
    template <tile_side Side, std::size_t Count>
    [[gnu::noinline]] void put_rest(const std::int16_t* const (&first)[Count],
                                    const std::int16_t* const (&second)[Count], dim_t c, std::int16_t* to) const {
        std::int16_t few[2][Count][lanes] = {};
        const std::int16_t *a[Count], *b[Count];
        for (std::size_t e = 0; e < Count; ++e) {
            a[e] = std::copy(first[e] + c, first[e] + channels_, few[0][e]) - (channels_ - c);
            b[e] = std::copy(second[e] + c, second[e] + channels_, few[1][e]) - (channels_ - c);
        }
        put<Side>(a, b, 0, to);
    }

    buffer<std::int16_t> memory_;
    dim_t channels_ = 0, width_ = 1, step_ = 0, block_ = 0, plane_ = 0;
};

/// Adds (x >> 8)^2 or so of each channel: floor(x^2 / 2^16), at most 1,023 for numbers of 13 bits.
inline void add_high_squares(const std::int16_t* __restrict x, dim_t count, std::uint16_t* __restrict sums) {
    for (dim_t e = 0; e < count; ++e) sums[e] = static_cast<std::uint16_t>(sums[e] + ((x[e] * x[e]) >> 16));
}

/// Bounds of a chunk's squares: for each 16 tiles and channel, of the sum of squares of the pixels that any one tap
/// meets, 2 x 2 in each tile.
class tile_squares {
public:
    template <tile_side Side>
    [[gnu::noinline]] void measure(const image_view<std::int16_t>& image, const winograd_grid& grid, dim_t t0,
                                   dim_t t1) {
        constexpr int span = tile_span<Side>, shifts = span - 1; // rows that a tap may meet first
        channels_ = image.count;
        tiles_ = t1 - t0;
        const auto count = static_cast<std::size_t>(channels_);
        most_.assign(static_cast<std::size_t>(ceil_div(tiles_, norm_step)) * count, 0);
        std::vector<float> sums(shifts * count);
        std::vector<std::uint16_t> line(count);
        winograd_place place(grid, t0);
        for (dim_t t = t0; t < t1;) {
            const dim_t end = std::min(t1, t + norm_step);
            float* const most = most_.data() + (t - t0) / norm_step * channels_;
            std::fill(sums.begin(), sums.end(), 0.0F);
            while (t < end) { // tiles of one line
                const dim_t run = std::min(end - t, grid.across() - place.x / 2),
                            x0 = std::max<dim_t>(0, grid.first_x + place.x),
                            x1 = std::min(image.width, grid.first_x + place.x + 2 * run + span - 2);
                for (int i = 0; i < span && x0 < x1; ++i) {
                    const dim_t y = grid.first_y + place.y + i;
                    if (y < 0 || y >= image.height) continue;
                    std::fill(line.begin(), line.end(), std::uint16_t{0});
                    for (dim_t x = x0; x < x1; ++x) add_high_squares(image.pixel(place.b, y, x), channels_, line.data());
                    for (int shift = std::max(0, i - 1); shift <= std::min(i, shifts - 1); ++shift)
                        add_line(line.data(), static_cast<float>(x1 - x0), sums.data() + shift * channels_);
                }
                place.skip(run);
                t += run;
            }
            for (std::size_t e = 0; e < sums.size(); ++e) {
                float& m = most[e % count];
                m = std::max(m, sums[e] * 65536);
            }
        }
    }

    /// Four times the largest of channels [c0, c1), for each piece of tiles: with the other side's, the product's root
    /// bounds 4 d_w.
    norm_table norms(dim_t c0, dim_t c1) const {
        norm_table norms(tiles_);
        std::vector<float> sums;
        for (int level = 0; level < norm_levels; ++level)
            for (dim_t p = 0; p < norms.pieces(level); ++p) {
                float most = 0;
                const dim_t begin = p << level, end = std::min((p + 1) << level, norms.pieces(0));
                sums.assign(static_cast<std::size_t>(c1 - c0), 0);
                for (dim_t piece = begin; piece < end; ++piece) {
                    const float* const from = most_.data() + piece * channels_ + c0;
                    for (std::size_t e = 0; e < sums.size(); ++e) sums[e] += from[e];
                }
                for (const float sum : sums) most = std::max(most, sum);
                norms.at(level, p) = round_norm_up(4 * most);
            }
        return norms;
    }

private:
    void add_line(const std::uint16_t* __restrict line, float pixels, float* __restrict sums) const {
        for (dim_t c = 0; c < channels_; ++c) sums[c] += static_cast<float>(line[c]) + pixels;
    }

    std::vector<float> most_; ///< (piece, channel)
    dim_t channels_ = 0, tiles_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
