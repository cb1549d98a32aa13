// SPDX-License-Identifier: Apache-2.0
#pragma once

// 3 x 3 filters as Winograd products take them: G w G' (winograd.hpp), sixteen matrices, each packed as the rhs of a
// product of its own. They serve the forward pass and, with taps turned around and channels exchanged, the input
// gradient: to turn a kernel around exchanges the first and the last row of G w, and the others stay.
//
// Filters are looked at while they are transformed: the result must fit int16. Filters of 12 bits hardly ever fail,
// bytes never.

#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "intaglio/conv/winograd.hpp"
#include "intaglio/gemm/pack_rhs.hpp"
#include "intaglio/simd/arch/widen.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// The filters of one group.
template <GemmPolicy P, class Arch>
struct winograd_filter {
    using packed = packed_rhs<winograd_policy<P, Arch>, Arch>;
    std::array<packed, winograd_products> products;
    std::vector<double> sizes; ///< by panel: the largest sum, of a column's taps and channels, of tap_size

    dim_t bytes() const {
        dim_t sum = 0;
        for (const auto& p : products) sum += p.bytes();
        return sum;
    }

    // What output_factors asks of a right-hand side.
    dim_t k() const { return products[0].k(); }
    dim_t n() const { return products[0].n(); }
    dim_t panels() const { return products[0].panels(); }
    const double* factors() const { return products[0].factors(); }
    /// Of int16: no filter of panel p has a larger sum of magnitudes (of taps as they are, not transformed).
    double l1_bound(dim_t p) const {
        return std::sqrt(static_cast<double>(9 * k()) * sizes[static_cast<std::size_t>(p)]);
    }
    /// Of bytes: no output, for transformed inputs up to 1 (four times as large as inputs), is larger.
    std::int64_t unit_bound(dim_t p) const {
        return static_cast<std::int64_t>(sizes[static_cast<std::size_t>(p)] / 4) + 1;
    }
};

/// G w G' of the filters of one group, in numbers, and what is known of them.
struct transformed_filters {
    dim_t filters, channels;
    buffer<std::int16_t> values; ///< (product, filter, channel)
    buffer<float> sizes;         ///< (filter, channel): summed over taps, in float
    bool fit = true;

    const std::int16_t* product(int q) const { return values.data() + q * filters * channels; }
};

/// What bounds of outputs need to know of a tap: its square, or of bytes, whose outputs have a bound of their own, the
/// magnitude.
template <class T, class Floats>
INTAGLIO_INLINE Floats tap_size(Floats tap) {
    if constexpr (is_byte<T>)
        return tap < 0.0F ? -tap : tap;
    else
        return tap * tap;
}

/// Transforms `Lanes` channels of a filter (3, 3, channels) from c on, and raises the bits that magnitudes have.
template <int Lanes, class T>
INTAGLIO_INLINE void transform_filter(const T* w, dim_t channels, dim_t c, std::int16_t* u, dim_t plane, float* sizes,
                                      simd::vector<std::int32_t, Lanes>& bits) {
    using ints = simd::vector<std::int32_t, Lanes>;
    using words = simd::vector<std::int16_t, Lanes>;
    using floats = simd::vector<float, Lanes>;
    floats size = {};
    const auto column = [&](int s) __attribute__((always_inline)) {
        const auto tap = [&](int r) __attribute__((always_inline)) {
            const auto v = simd::convert_vector<std::int32_t, Lanes>(w + (r * 3 + s) * channels + c);
            size += tap_size<T>(__builtin_convertvector(v, floats));
            return v;
        };
        return winograd_weights(tap(0), tap(1), tap(2));
    };
    const auto put = [&](int q, ints value) __attribute__((always_inline)) {
        bits |= value ^ (value >> 31);
        simd::store_vector(u + q * plane + c, __builtin_convertvector(value, words));
    };
    const auto row = [&](int i, ints w0, ints w1, ints w2) __attribute__((always_inline)) {
        const auto r = winograd_weights(w0, w1, w2);
        put(4 * i, r.a);
        put(4 * i + 1, r.b);
        put(4 * i + 2, r.c);
        put(4 * i + 3, r.d);
    };
    const auto k0 = column(0), k1 = column(1), k2 = column(2);
    row(0, k0.a, k1.a, k2.a);
    row(1, k0.b, k1.b, k2.b);
    row(2, k0.c, k1.c, k2.c);
    row(3, k0.d, k1.d, k2.d);
    simd::store_vector(sizes + c, size);
}

/// All channels of a filter; false where some of the result doesn't fit int16.
template <class T>
[[gnu::noinline]] bool transform_filter(const T* w, dim_t channels, std::int16_t* u, dim_t plane, float* sizes) {
    constexpr int lanes = simd::widest_vector / 4;
    simd::vector<std::int32_t, lanes> bits = {};
    dim_t c = 0;
    for (; c + lanes <= channels; c += lanes) transform_filter<lanes>(w, channels, c, u, plane, sizes, bits);
    simd::vector<std::int32_t, 1> rest = {};
    for (; c < channels; ++c) transform_filter<1>(w, channels, c, u, plane, sizes, rest);
    for (int e = 0; e < lanes; ++e) rest[0] |= bits[e];
    return rest[0] <= 32767;
}

/// w: (filters, 3, 3, channels).
template <class T>
transformed_filters transform_filters(const T* w, dim_t filters, dim_t channels, executor_ref exec) {
    transformed_filters t{filters, channels,
                          buffer<std::int16_t>(winograd_products * filters * channels, uninitialized),
                          buffer<float>(filters * channels, uninitialized)};
    std::vector<char> fits(static_cast<std::size_t>(filters));
    exec.for_each(filters, [&](dim_t o, int) {
        fits[static_cast<std::size_t>(o)] =
            transform_filter(w + o * 9 * channels, channels, t.values.data() + o * channels, filters * channels,
                             t.sizes.data() + o * channels);
    });
    t.fit = std::all_of(fits.begin(), fits.end(), [](char fit) { return fit != 0; });
    return t;
}

/// Packs transformed filters for the forward pass, or for the input gradient. Scales are those of the filters; the
/// products come to four times the result.
template <GemmPolicy P, class Arch>
void pack_winograd(const transformed_filters& t, bool gradient, const rhs_view<winograd_policy<P, Arch>>& scales,
                   executor_ref exec, winograd_filter<P, Arch>& packed) {
    using products = winograd_policy<P, Arch>;
    using traits = kernel_traits<products, Arch>;
    const dim_t k = gradient ? t.filters : t.channels, n = gradient ? t.channels : t.filters,
                row_stride = gradient ? t.channels : 1, col_stride = gradient ? 1 : t.channels;
    const auto turned = [](int i) { return i == 0 ? 3 : i == 3 ? 0 : i; };
    for (int q = 0; q < winograd_products; ++q) {
        const int from = gradient ? turned(q / 4) * 4 + turned(q % 4) : q;
        auto& place = packed.products[static_cast<std::size_t>(q)];
        place = pack_rows<products, Arch>({t.product(from), row_stride, col_stride}, k, n, scales, exec,
                                          rhs_storage::fast, {}, std::move(place));
    }
    packed.sizes.assign(static_cast<std::size_t>(packed.panels()), 0);
    for (dim_t j = 0; j < n; ++j) {
        double sum = 0;
        for (dim_t e = 0; e < k; ++e) sum += static_cast<double>(t.sizes[e * row_stride + j * col_stride]);
        double& most = packed.sizes[static_cast<std::size_t>(j / traits::cols)];
        most = std::max(most, sum * (1 + 0x1p-20)); // above what rounding took
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
