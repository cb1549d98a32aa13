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
#include <numeric>
#include <vector>

#include "intaglio/conv/winograd.hpp"
#include "intaglio/core/buffer.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/simd/arch/multiply_high.hpp"
#include "intaglio/simd/arch/widen.hpp"
#include "intaglio/simd/vector.hpp"

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
    const auto wide = [](const std::int16_t* p) __attribute__((always_inline)) {
        return simd::convert_vector<std::int32_t, Lanes>(reinterpret_cast<const std::uint16_t*>(p));
    };
    return reinterpret_cast<simd::vector<std::int16_t, 2 * Lanes>>(wide(first) | wide(second) << 16);
}

/// At least `count` elements of `size` bytes, an odd number of cache lines: what lies so far apart shares no set of L1.
constexpr dim_t apart(dim_t count, dim_t size) { return (ceil_div(count * size, 64) | 1) * 64 / size; }

/// One side of a chunk of tiles for some of the channels, in blocks of `width`: panels of the product's right-hand side
/// or rows of a tile of registers. Product q of channel c of the tiles 2s and 2s + 1 lies at
/// q * plane + c / width * block + s * step + 2 (c % width).
class tile_operand {
public:
    static constexpr int lanes = simd::widest_vector / 4; ///< channels to a vector

    void shape(dim_t channels, dim_t tiles, dim_t width) {
        channels_ = channels;
        width_ = width;
        step_ = 2 * round_up(width, lanes);
        block_ = ceil_div(tiles, dim_t{2}) * step_;
        plane_ = apart(ceil_div(channels, width) * block_, 2);
        if (memory_.size() < winograd_products * plane_)
            memory_ = buffer<std::int16_t>(winograd_products * plane_, uninitialized);
        if (zeros_.size() < channels + lanes) zeros_ = buffer<std::int16_t>(channels + lanes);
    }

    /// From channel c on.
    const std::int16_t* product(dim_t q, dim_t c) const { return memory_.data() + q * plane_ + place_of(c); }
    dim_t step() const { return step_; }
    dim_t block() const { return block_; }
    /// A transformed number, for those who check.
    std::int64_t at(dim_t q, dim_t tile, dim_t c) const { return product(q, c)[tile / 2 * step_ + tile % 2]; }

    /// Transforms tiles [t0, t1) of the image's channels.
    template <tile_side Side>
    [[gnu::noinline]] void transform(const image_view<std::int16_t>& image, const winograd_grid& grid, dim_t t0,
                                     dim_t t1) {
        constexpr auto count = static_cast<std::size_t>(tile_span<Side> * tile_span<Side>);
        winograd_place place(grid, t0);
        for (dim_t t = t0; t < t1; t += 2) {
            const std::int16_t *first[count], *second[count];
            place.template pixels<tile_span<Side>>(image, zeros_.data(), first);
            dim_t readable = place.template readable<tile_span<Side>>(image);
            place.next();
            if (t + 1 < t1) {
                place.template pixels<tile_span<Side>>(image, zeros_.data(), second);
                readable = place.template readable<tile_span<Side>>(image);
                place.next();
            } else {
                std::fill_n(second, count, zeros_.data());
            }
            std::int16_t* to = memory_.data() + (t - t0) / 2 * step_;
            for (dim_t block = 0; block < channels_; block += width_, to += block_)
                for (dim_t c = block; c < std::min(block + width_, channels_); c += lanes)
                    if (c + lanes <= readable)
                        put<Side>(first, second, c, to + 2 * (c - block));
                    else
                        put_rest<Side>(first, second, c, to + 2 * (c - block));
        }
    }

private:
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

    buffer<std::int16_t> memory_, zeros_;
    dim_t channels_ = 0, width_ = 1, step_ = 0, block_ = 0, plane_ = 0;
};

/// Bounds the squares of `count` pixels that lie `stride` apart, in units of 2^16, channel by channel: numbers of 13
/// bits add 1,023 at most, and one for what is cut off.
template <int Lanes = simd::widest_words>
void bound_squares(const std::int16_t* first, dim_t stride, dim_t count, dim_t channels, std::uint16_t* to) {
    using words = simd::vector<std::uint16_t, Lanes>;
    for (; channels >= Lanes; channels -= Lanes, first += Lanes, to += Lanes) {
        words sums = words{} + static_cast<std::uint16_t>(count);
        const std::int16_t* p = first;
        for (dim_t i = 0; i < count; ++i, p += stride) {
            const auto x = simd::load_vector<simd::vector<std::int16_t, Lanes>>(p);
            const auto magnitude = reinterpret_cast<words>(x < 0 ? -x : x);
            sums += simd::multiply_high(magnitude, magnitude);
        }
        simd::store_vector(to, sums);
    }
    if constexpr (Lanes > 8) return bound_squares<Lanes / 2>(first, stride, count, channels, to);
    for (dim_t c = 0; c < channels; ++c) {
        dim_t sum = count;
        for (dim_t i = 0; i < count; ++i) sum += (first[i * stride + c] * first[i * stride + c]) >> 16;
        to[c] = static_cast<std::uint16_t>(sum);
    }
}

/// Tiles of a line whose squares are measured together.
inline constexpr dim_t square_tiles = 8;

/// Bounds of an image's squares, in units of 2^16: for each line of pixels, each 8 tiles of it and each channel. A tap
/// meets 2 x 2 pixels of each tile, so the squares that it meets in those tiles are in two neighbouring lines.
class tile_squares {
public:
    /// `span`: pixels of a tile along each axis.
    tile_squares(const image_view<std::int16_t>& image, const winograd_grid& grid, int span, executor_ref exec)
        : grid_(grid), height_(image.height), channels_(image.count), shifts_(span - 1),
          segments_(ceil_div(grid.across(), square_tiles)),
          lines_(image.batch * image.height * segments_ * channels_, uninitialized), zeros_(channels_),
          before_(static_cast<std::size_t>(grid.batch * grid.down() * segments_ + 1)) {
        exec.for_each(image.batch * image.height, [&](dim_t line, int) {
            for (dim_t s = 0; s < segments_; ++s) {
                const dim_t x = grid.first_x + 2 * square_tiles * s,
                            tiles = std::min(square_tiles, grid.across() - square_tiles * s),
                            x0 = std::max<dim_t>(0, x),
                            x1 = std::max(x0, std::min(image.width, x + 2 * tiles + span - 2));
                bound_squares(image.pixel(line / height_, line % height_, x0), image.channels, x1 - x0, channels_,
                              lines_.data() + (line * segments_ + s) * channels_);
            }
        });
        exec.for_each(grid.batch * grid.down(), [&](dim_t line, int) {
            std::vector<std::int32_t> sums;
            for (dim_t s = 0; s < segments_; ++s, sums.clear())
                before_[static_cast<std::size_t>(line * segments_ + s + 1)] =
                    add(line * grid.across() + s * square_tiles, 0, channels_, sums);
        });
        std::partial_sum(before_.begin(), before_.end(), before_.begin());
    }

    /// A bound for tiles [t0, t1) and all channels.
    std::int64_t bound(dim_t t0, dim_t t1) const {
        return before_[static_cast<std::size_t>(segment_of(t1 - 1) + 1)] -
               before_[static_cast<std::size_t>(segment_of(t0))];
    }

    /// Behind the tiles that are measured with this one.
    dim_t end_of(dim_t tile) const {
        const dim_t x = tile % grid_.across();
        return tile - x + std::min(x / square_tiles * square_tiles + square_tiles, grid_.across());
    }

    /// Adds the squares that each tap may meet in the tiles measured with `tile`, of channels [c0, c1), and returns the
    /// largest sum. No sums yet are zeros.
    std::int32_t add(dim_t tile, dim_t c0, dim_t c1, std::vector<std::int32_t>& sums) const {
        const dim_t line = tile / grid_.across(), segment = tile % grid_.across() / square_tiles, count = c1 - c0,
                    y0 = grid_.first_y + 2 * (line % grid_.down());
        sums.resize(static_cast<std::size_t>(shifts_ * count));
        const auto squares = [&](dim_t y) {
            if (y < 0 || y >= height_) return zeros_.data() + c0;
            return lines_.data() + ((line / grid_.down() * height_ + y) * segments_ + segment) * channels_ + c0;
        };
        std::int32_t most = 0;
        for (dim_t y = y0, end = y0 + shifts_, at = 0; y < end; ++y, at += count)
            most = std::max(most, add_lines(squares(y), squares(y + 1), count, sums.data() + at));
        return most;
    }

private:
    dim_t segment_of(dim_t tile) const {
        return tile / grid_.across() * segments_ + tile % grid_.across() / square_tiles;
    }
    /// Returns the largest sum.
    static std::int32_t add_lines(const std::uint16_t* first, const std::uint16_t* second, dim_t count,
                                  std::int32_t* __restrict sums) {
        std::int32_t most = 0;
        for (dim_t c = 0; c < count; ++c) {
            const std::int32_t sum = sums[c] + first[c] + second[c];
            sums[c] = sum;
            most = std::max(most, sum);
        }
        return most;
    }

    winograd_grid grid_;
    dim_t height_, channels_, shifts_, segments_;
    buffer<std::uint16_t> lines_, zeros_;
    std::vector<std::int64_t> before_; ///< by segment: the sum of the largest of those before it
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
