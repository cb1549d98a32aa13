// SPDX-License-Identifier: Apache-2.0
#pragma once

// Winograd's minimal filtering in integers (Lavin and Gray, arXiv 1509.09308, F(2x2,3x3)), exact. A tile of 2 x 2
// outputs takes 4 x 4 inputs d and 3 x 3 filters w:
//
//   4 y = A' [ (G w G') . (B' d B) ] A        16 products a channel instead of 36
//
//        1  0 -1  0            2  0  0             1  1  1  0
//   B' = 0  1  1  0       G =  1  1  1        A' = 0  1 -1 -1
//        0 -1  1  0            1 -1  1
//        0  1  0 -1            0  0  2
//
// G is twice the published one, so that all numbers are integers, and 4 y what comes out. What makes it exact:
//
//   inputs    B' d B adds up four of them: int16 holds it where |d| <= 8191 (13 bits), whatever the data
//   filters   G w G' grows up to ninefold, mostly by four: looked at when filters are packed (winograd_filter.hpp)
//   sums      where norms (gemm/norms.hpp) say that |4 y| < 2^31, products and A' are taken modulo 2^32: A' only adds
//             and subtracts, so that 4 y is right however large the sums on the way. Elsewhere the sums are proven
//             chains like those of any product, and A' works on their two halves
//   bytes     always fit (winograd_policy.hpp)

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/conv/algorithm.hpp"
#include "intaglio/conv/sources.hpp"
#include "intaglio/conv/winograd_policy.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/measure.hpp"
#include "intaglio/simd/arch/widen.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Products of a tile: 4 x 4.
inline constexpr int winograd_products = 16;
/// The largest magnitude of an input whose transform fits int16.
inline constexpr std::int32_t winograd_largest = 32767 / 4;

constexpr bool is_winograd_shape(const conv_geometry& g) {
    return g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 && g.stride_w == 1 && g.dilation_h == 1 &&
           g.dilation_w == 1;
}

template <class T>
struct winograd_four {
    T a, b, c, d;
};
template <class T>
struct winograd_two {
    T a, b;
};

// One dimension of each transform; the other is the same of its results.

/// B' d
template <class T>
INTAGLIO_INLINE winograd_four<T> winograd_input(T d0, T d1, T d2, T d3) {
    return {static_cast<T>(d0 - d2), static_cast<T>(d1 + d2), static_cast<T>(d2 - d1), static_cast<T>(d1 - d3)};
}
/// G w
template <class T>
INTAGLIO_INLINE winograd_four<T> winograd_weights(T w0, T w1, T w2) {
    return {static_cast<T>(w0 + w0), static_cast<T>(w0 + w1 + w2), static_cast<T>(w0 - w1 + w2),
            static_cast<T>(w2 + w2)};
}
/// A' m
template <class T>
INTAGLIO_INLINE winograd_two<T> winograd_output(T m0, T m1, T m2, T m3) {
    return {m0 + m1 + m2, m1 - m2 - m3};
}

/// 2 x 2 tiles of outputs (batch, output y, output x), image after image: those of output (y, x) take the inputs from
/// (first_y + y, first_x + x) on.
struct winograd_grid {
    dim_t batch, outputs_y, outputs_x, first_y, first_x;

    dim_t down() const { return (outputs_y + 1) / 2; }
    dim_t across() const { return (outputs_x + 1) / 2; }
    dim_t tiles() const { return batch * down() * across(); }
};

/// A tile of a grid, and the next.
struct winograd_place {
    const winograd_grid& grid;
    dim_t b, y, x; ///< of the tile's first output

    winograd_place(const winograd_grid& g, dim_t tile)
        : grid(g), b(tile / (g.down() * g.across())), y(tile / g.across() % g.down() * 2), x(tile % g.across() * 2) {}
    void next() {
        if ((x += 2) < grid.outputs_x) return;
        x = 0;
        if ((y += 2) < grid.outputs_y) return;
        y = 0;
        ++b;
    }
    dim_t output(dim_t dy, dim_t dx) const { return (b * grid.outputs_y + y + dy) * grid.outputs_x + x + dx; }
    bool has(dim_t dy, dim_t dx) const { return y + dy < grid.outputs_y && x + dx < grid.outputs_x; }
    /// `run` tiles on, of which all but the last lie in this line.
    void skip(dim_t run) {
        x += 2 * (run - 1);
        next();
    }
    /// Where Span x Span pixels from this tile's first on lie, row by row; `zeros` stands for those outside the image.
    template <int Span, class T>
    void pixels(const image_view<T>& image, const T* zeros,
                const T* (&p)[static_cast<std::size_t>(Span * Span)]) const {
        const dim_t y0 = grid.first_y + y, x0 = grid.first_x + x;
        if (y0 >= 0 && x0 >= 0 && y0 + Span <= image.height && x0 + Span <= image.width) { // as most are
            const T* const first = image.pixel(b, y0, x0);
            for (int i = 0; i < Span; ++i)
                for (int j = 0; j < Span; ++j) p[i * Span + j] = first + (i * image.width + j) * image.channels;
            return;
        }
        for (int i = 0; i < Span; ++i)
            for (int j = 0; j < Span; ++j) {
                const bool inside = y0 + i >= 0 && y0 + i < image.height && x0 + j >= 0 && x0 + j < image.width;
                p[i * Span + j] = inside ? image.pixel(b, y0 + i, x0 + j) : zeros;
            }
    }
    /// Channels from the first on that may be read at any of those pixels, if need be those of pixels behind.
    template <int Span, class T>
    dim_t readable(const image_view<T>& image) const {
        const dim_t lines =
            (image.batch - 1 - b) * image.height + std::max<dim_t>(0, image.height - (grid.first_y + y + Span));
        return lines * image.width * image.channels + image.channels - image.first_channel;
    }
};

/// Calls f.template operator()<Lanes>(c) for vectors of channels [c, c + Lanes) that cover `count`, the last of them
/// beside those before where need be; false, and nothing is called, where they are fewer than the shortest vector.
template <class F>
INTAGLIO_INLINE bool for_channel_vectors(dim_t count, F&& f) {
    constexpr int most = simd::widest_vector / 2;
    const auto cover = [&]<int Lanes>(std::integral_constant<int, Lanes>) {
        dim_t c = 0;
        for (; c + Lanes <= count; c += Lanes) f(std::integral_constant<int, Lanes>{}, c);
        if (c < count) f(std::integral_constant<int, Lanes>{}, count - Lanes);
    };
    if (count >= most) {
        cover(std::integral_constant<int, most>{});
        return true;
    }
    if constexpr (most > 16)
        if (count >= 16) {
            cover(std::integral_constant<int, 16>{});
            return true;
        }
    if constexpr (most > 8)
        if (count >= 8) {
            cover(std::integral_constant<int, 8>{});
            return true;
        }
    return false;
}

/// B' d B of a tile: put(q, product) of the inputs at(row, column).
template <class At, class Put>
INTAGLIO_INLINE void input_products(At&& at, Put&& put) {
    const auto column = [&](int j) __attribute__((always_inline)) {
        return winograd_input(at(0, j), at(1, j), at(2, j), at(3, j));
    };
    const auto k0 = column(0), k1 = column(1), k2 = column(2), k3 = column(3);
    const auto row = [&](int q, auto d0, auto d1, auto d2, auto d3) __attribute__((always_inline)) {
        const auto r = winograd_input(d0, d1, d2, d3);
        put(q, r.a);
        put(q + 1, r.b);
        put(q + 2, r.c);
        put(q + 3, r.d);
    };
    row(0, k0.a, k1.a, k2.a, k3.a);
    row(4, k0.b, k1.b, k2.b, k3.b);
    row(8, k0.c, k1.c, k2.c, k3.c);
    row(12, k0.d, k1.d, k2.d, k3.d);
}

/// B' d B of one tile: product q of channel c goes to v + q * plane + c.
template <int Lanes, class T>
INTAGLIO_INLINE void transform_input(const T* const (&p)[winograd_products], dim_t c, std::int16_t* v, dim_t plane) {
    using words = simd::vector<std::int16_t, Lanes>;
    input_products(
        [&](int i, int j)
            __attribute__((always_inline)) { return simd::convert_vector<std::int16_t, Lanes>(p[i * 4 + j] + c); },
        [&](int q, words value) __attribute__((always_inline)) { simd::store_vector(v + q * plane + c, value); });
}

/// Tiles [t0, t1): product q of channel c of tile t goes to v + q * plane + (t - t0) * stride + c.
template <class T>
[[gnu::noinline]] void transform_inputs(const image_view<T>& image, const winograd_grid& grid, dim_t t0, dim_t t1,
                                        const T* zeros, std::int16_t* v, dim_t stride, dim_t plane) {
    winograd_place place(grid, t0);
    for (dim_t t = t0; t < t1; ++t, v += stride, place.next()) {
        const T* p[winograd_products];
        place.pixels<4>(image, zeros, p);
        if (for_channel_vectors(
                image.count, [&]<int Lanes>(std::integral_constant<int, Lanes>, dim_t c)
                                 __attribute__((always_inline)) { transform_input<Lanes>(p, c, v, plane); }))
            continue;
        T in[winograd_products][8] = {};
        std::int16_t out[winograd_products * 8];
        const T* few[winograd_products];
        for (int i = 0; i < winograd_products; ++i) {
            std::copy_n(p[i], image.count, in[i]);
            few[i] = in[i];
        }
        transform_input<8>(few, 0, out, 8);
        for (int q = 0; q < winograd_products; ++q) std::copy_n(out + q * 8, image.count, v + q * plane);
    }
}

/// The largest magnitude of any number.
inline std::int32_t largest_of(std::span<const std::int16_t> x, executor_ref exec) {
    constexpr dim_t piece = 1 << 16;
    std::vector<std::int32_t> most(static_cast<std::size_t>(ceil_div(std::ssize(x), piece)));
    exec.for_each(std::ssize(most), [&](dim_t i, int) {
        most[static_cast<std::size_t>(i)] =
            largest_magnitude(x.data() + i * piece, std::min(piece, std::ssize(x) - i * piece));
    });
    return most.empty() ? 0 : *std::max_element(most.begin(), most.end());
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
