// SPDX-License-Identifier: Apache-2.0

// What Winograd's products promise: the transforms are what their formulas say, the choice changes no bit, what can't
// be exact is refused or computed directly, and the audit sees every sum.

#include "intaglio/conv/winograd.hpp"

#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/reference.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/presets.hpp"
#include "support/catch.hpp"
#include "support/pattern.hpp"

using namespace intaglio;
using Catch::Matchers::Contains;

namespace {

constexpr conv_geometry maps{.batch = 2,
                             .height = 7,
                             .width = 6,
                             .in_channels = 40,
                             .out_channels = 35,
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .pad_h = 1,
                             .pad_w = 1};

using totals = std::vector<std::int64_t>;

rhs_view<dfp16_training> filters_of(const conv_geometry& g, const std::vector<std::int16_t>& w) {
    rhs_view<dfp16_training> view;
    view.values = filter_matrix(g, w);
    return view;
}

totals forward(const conv_geometry& g, const std::vector<std::int16_t>& x, const std::vector<std::int16_t>& w,
               const conv_form& form, audit* check = nullptr) {
    totals y(static_cast<std::size_t>(g.out_pixels() * g.out_channels));
    const auto packed = pack_filter<dfp16_training>(g, filters_of(g, w), rhs_storage::fast, {}, {}, form);
    conv_forward<dfp16_training>(g, x, 1, packed, matrix_view<std::int64_t>(y.data(), g.out_pixels(), g.out_channels),
                                 epilogue<>{}, {}, check);
    return y;
}

totals reference(const conv_geometry& g, const std::vector<std::int16_t>& x, const std::vector<std::int16_t>& w) {
    totals y(static_cast<std::size_t>(g.out_pixels() * g.out_channels));
    reference_conv_forward<dfp16_training>(g, x, 1, filters_of(g, w),
                                           matrix_view<std::int64_t>(y.data(), g.out_pixels(), g.out_channels));
    return y;
}

totals weight_gradient(const conv_geometry& g, const std::vector<std::int16_t>& x, const std::vector<std::int16_t>& d,
                       const conv_form& form, executor_ref exec = {}, audit* check = nullptr) {
    totals w(static_cast<std::size_t>(g.out_channels * g.filter_size()), 5);
    conv_weight_gradient<dfp16_training>(
        g, x, 1, d, 1, matrix_view<std::int64_t>(w.data(), g.out_channels, g.filter_size()), exec, check, form);
    return w;
}

totals reference_weight_gradient(const conv_geometry& g, const std::vector<std::int16_t>& x,
                                 const std::vector<std::int16_t>& d) {
    totals w(static_cast<std::size_t>(g.out_channels * g.filter_size()));
    reference_conv_weight_gradient<dfp16_training>(
        g, x, 1, d, 1, matrix_view<std::int64_t>(w.data(), g.out_channels, g.filter_size()));
    return w;
}

} // namespace

TEST_CASE("a tile's transforms give four times the gradient of its taps", "[unit]") {
    std::int64_t d[4][4], e[2][2] = {{3, -7}, {11, 5}}, v[16] = {}, u[16] = {};
    for (int i = 0; i < 16; ++i) d[i / 4][i % 4] = i * i % 23 - 9;
    detail::input_products([&](int i, int j) { return d[i][j]; }, [&](int q, std::int64_t m) { u[q] = m; });
    detail::gradient_products([&](int i, int j) { return e[i][j]; }, [&](int q, std::int64_t m) { v[q] = m; });
    detail::transform_taps([&](int q) { return u[q] * v[q]; },
                           [&](int tap, std::int64_t value) {
                               std::int64_t sum = 0;
                               for (int i = 0; i < 4; ++i) sum += e[i / 2][i % 2] * d[i / 2 + tap / 3][i % 2 + tap % 3];
                               CHECK(value == 4 * sum);
                           });
}

TEST_CASE("weight gradients by Winograd's products are exact in pieces of any length", "[unit]") {
    conv_geometry wide = maps; // lines of more than 16 tiles, more tiles than are summed at a time
    wide.batch = 3;
    wide.height = 15;
    wide.width = 75;
    wide.in_channels = 33;
    wide.out_channels = 17;
    thread_pool two(2), three(3), eight(8);
    for (const std::int16_t most : {std::int16_t{8191}, std::int16_t{3000}, std::int16_t{900}, std::int16_t{60}}) {
        const auto low = static_cast<std::int16_t>(-most);
        auto x = pattern<std::int16_t>(wide.in_pixels() * wide.in_channels, low, most),
             d = pattern<std::int16_t>(wide.out_pixels() * wide.out_channels, low, most);
        for (const bool all_largest : {false, true}) {
            if (all_largest) { // of one sign in some channels, so that totals are as large as they can be
                for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 3 == 0 ? most : x[i] < 0 ? low : most;
                for (std::size_t i = 0; i < d.size(); ++i) d[i] = i % 17 < 5 ? low : d[i] < 0 ? low : most;
            }
            const totals expected = reference_weight_gradient(wide, x, d);
            audit sums;
            CHECK(weight_gradient(wide, x, d, {algorithm::winograd}, {}, &sums) == expected);
            CHECK(sums.overflows() == 0);
            CHECK(sums.chains() > 0);
            CHECK(sums.largest() < std::int64_t{1} << 31);
            for (const executor_ref exec :
                 {executor_ref{}, executor_ref(two), executor_ref(three), executor_ref(eight)})
                CHECK(weight_gradient(wide, x, d, {algorithm::winograd, 8191}, exec) == expected);
        }
    }
}

TEST_CASE("weight gradients of many filters and channels by Winograd's products are made of blocks", "[unit]") {
    conv_geometry deep = maps;
    deep.in_channels = 316; // as vectors of 32, 16 and 8 and some single ones
    deep.out_channels = 140;
    const auto x = pattern<std::int16_t>(deep.in_pixels() * deep.in_channels, -8191, 8191),
               d = pattern<std::int16_t>(deep.out_pixels() * deep.out_channels, -8191, 8191);
    const totals expected = reference_weight_gradient(deep, x, d);
    audit sums;
    CHECK(weight_gradient(deep, x, d, {algorithm::winograd}, {}, &sums) == expected);
    CHECK(sums.overflows() == 0);
    thread_pool three(3), eight(8);
    for (const executor_ref exec : {executor_ref{}, executor_ref(three), executor_ref(eight)})
        CHECK(weight_gradient(deep, x, d, {algorithm::winograd, 8191}, exec) == expected);
}

TEST_CASE("a weight gradient that can't be exact so is refused with the reason, or computed directly", "[unit]") {
    auto x = pattern<std::int16_t>(maps.in_pixels() * maps.in_channels, -8191, 8191),
         d = pattern<std::int16_t>(maps.out_pixels() * maps.out_channels, -8191, 8191);
    conv_geometry strided = maps;
    strided.stride_w = 2;
    const std::vector<std::int16_t> fewer(static_cast<std::size_t>(strided.out_pixels() * maps.out_channels));
    CHECK_THROWS_WITH(weight_gradient(strided, x, fewer, {algorithm::winograd}), Contains("stride of 1"));
    CHECK_THROWS_WITH(weight_gradient(maps, x, d, {algorithm::winograd, 8192}), Contains("8,191"));
    for (auto* operand : {&x, &d}) {
        const std::int16_t before = (*operand)[3];
        (*operand)[3] = -8192;
        const totals expected = reference_weight_gradient(maps, x, d);
        totals w(static_cast<std::size_t>(maps.out_channels * maps.filter_size()), 5);
        CHECK_THROWS_WITH(conv_weight_gradient<dfp16_training>(
                              maps, x, 1, d, 1,
                              matrix_view<std::int64_t>(w.data(), maps.out_channels, maps.filter_size()), {}, nullptr,
                              {algorithm::winograd}),
                          Contains("8192") && Contains("8191"));
        CHECK(w == totals(w.size(), 5));
        CHECK(weight_gradient(maps, x, d, {.how = algorithm::winograd, .or_direct = true}) == expected);
        CHECK(weight_gradient(maps, x, d, {}) == expected);
        (*operand)[3] = before;
    }
    audit sums; // looks at what was promised
    CHECK_THROWS_WITH(weight_gradient(maps, x, d, {algorithm::winograd, 100}, {}, &sums), Contains("100"));
    const std::vector<float> real(static_cast<std::size_t>(maps.in_pixels() * maps.in_channels)),
        real_d(static_cast<std::size_t>(maps.out_pixels() * maps.out_channels));
    std::vector<float> real_w(static_cast<std::size_t>(maps.out_channels * maps.filter_size()));
    CHECK_THROWS_WITH(
        conv_weight_gradient<fp32>(maps, real, 1, real_d, 1,
                                   matrix_view<float>(real_w.data(), maps.out_channels, maps.filter_size()), {},
                                   nullptr, {algorithm::winograd}),
        Contains("does not multiply int16"));
}

TEST_CASE("a tile's transforms give four times its outputs", "[unit]") {
    std::int64_t d[4][4], w[3][3];
    for (int i = 0; i < 16; ++i) d[i / 4][i % 4] = i * i % 23 - 9;
    for (int i = 0; i < 9; ++i) w[i / 3][i % 3] = i * 7 % 11 - 4;
    const auto values = [](const auto& four) { return std::vector<std::int64_t>{four.a, four.b, four.c, four.d}; };
    std::vector<std::vector<std::int64_t>> v(4), u(3), m(4, std::vector<std::int64_t>(4));
    for (int j = 0; j < 4; ++j)
        v[static_cast<std::size_t>(j)] = values(detail::winograd_input(d[0][j], d[1][j], d[2][j], d[3][j]));
    for (int j = 0; j < 3; ++j)
        u[static_cast<std::size_t>(j)] = values(detail::winograd_weights(w[0][j], w[1][j], w[2][j]));
    for (std::size_t i = 0; i < 4; ++i) {
        const auto left = values(detail::winograd_input(v[0][i], v[1][i], v[2][i], v[3][i])),
                   right = values(detail::winograd_weights(u[0][i], u[1][i], u[2][i]));
        for (std::size_t j = 0; j < 4; ++j) m[i][j] = left[j] * right[j];
    }
    std::vector<detail::winograd_two<std::int64_t>> column;
    for (std::size_t j = 0; j < 4; ++j) column.push_back(detail::winograd_output(m[0][j], m[1][j], m[2][j], m[3][j]));
    const auto upper = detail::winograd_output(column[0].a, column[1].a, column[2].a, column[3].a),
               lower = detail::winograd_output(column[0].b, column[1].b, column[2].b, column[3].b);
    const std::int64_t outputs[] = {upper.a, upper.b, lower.a, lower.b};
    for (int o = 0; o < 4; ++o) {
        std::int64_t y = 0;
        for (int r = 0; r < 3; ++r)
            for (int s = 0; s < 3; ++s) y += d[o / 2 + r][o % 2 + s] * w[r][s];
        CHECK(outputs[o] == 4 * y);
    }
}

TEST_CASE("the algorithm changes no bit, at the largest magnitudes that fit", "[unit]") {
    const auto x = pattern<std::int16_t>(maps.in_pixels() * maps.in_channels, -8191, 8191);
    for (const std::int16_t most : {std::int16_t{3640}, std::int16_t{40}}) {
        auto w = pattern<std::int16_t>(maps.out_channels * maps.filter_size(), static_cast<std::int16_t>(-most), most);
        const totals expected = reference(maps, x, w);
        audit sums;
        CHECK(forward(maps, x, w, {algorithm::direct}) == expected);
        CHECK(forward(maps, x, w, {algorithm::winograd}, &sums) == expected);
        CHECK(forward(maps, x, w, {algorithm::winograd, 8191}) == expected);
        CHECK(forward(maps, x, w, {}) == expected);
        CHECK(sums.overflows() == 0);
        CHECK(sums.chains() > 0);
    }
}

TEST_CASE("what one call has carried does not show in the next, whose sums are carried in fewer products", "[unit]") {
    // All products of the first call are carried, in every tile of scratch; of the second those that add up four
    // pixels of one sign, in groups of tiles that end with a part of one.
    conv_geometry large = maps, odd = maps;
    large.height = large.width = 14;
    large.in_channels = 256;
    odd.batch = 3;
    odd.height = odd.width = 13;
    odd.in_channels = 192;
    std::vector<std::int16_t> x(static_cast<std::size_t>(large.in_pixels() * large.in_channels), 8191),
        w(static_cast<std::size_t>(large.out_channels * large.filter_size()), 3640);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i / 256 % 3 == 0 ? std::int16_t{-8191} : x[i];
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = i / 256 % 2 == 0 ? std::int16_t{-3640} : w[i];
    const auto few = pattern<std::int16_t>(odd.in_pixels() * odd.in_channels, 600, 2400),
               taps = pattern<std::int16_t>(odd.out_channels * odd.filter_size(), -1500, 1500);
    for (int call = 0; call < 2; ++call) {
        CHECK(forward(large, x, w, {algorithm::winograd, 8191}) == forward(large, x, w, {algorithm::direct}));
        CHECK(forward(odd, few, taps, {algorithm::winograd, 8191}) == forward(odd, few, taps, {algorithm::direct}));
    }
}

TEST_CASE("floats of the largest totals are the direct form's, though the first tap says nothing of them", "[unit]") {
    conv_geometry deep = maps;
    deep.batch = 1, deep.height = deep.width = 4, deep.in_channels = 5000, deep.out_channels = 3;
    std::vector<std::int16_t> x(static_cast<std::size_t>(deep.in_pixels() * deep.in_channels)),
        w(static_cast<std::size_t>(deep.out_channels * deep.filter_size()));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::int16_t>(8191 - i % 7);
    for (std::size_t i = 0; i < w.size(); ++i) // 2^40 is exceeded, by eight taps of nine
        w[i] = i % static_cast<std::size_t>(deep.filter_size()) < 5000 ? std::int16_t{0}
                                                                       : static_cast<std::int16_t>(3640 - i % 5);
    const auto floats = [&](const conv_form& form) {
        std::vector<float> y(static_cast<std::size_t>(deep.out_pixels() * deep.out_channels));
        const auto packed = pack_filter<dfp16_training>(deep, filters_of(deep, w), rhs_storage::fast, {}, {}, form);
        conv_forward<dfp16_training>(deep, x, 1, packed,
                                     matrix_view<float>(y.data(), deep.out_pixels(), deep.out_channels));
        return y;
    };
    CHECK(floats({algorithm::winograd, 8191}) == floats({algorithm::direct}));
}

TEST_CASE("what can't be exact is refused with the reason, or computed directly", "[unit]") {
    auto x = pattern<std::int16_t>(maps.in_pixels() * maps.in_channels, -8191, 8191);
    auto w = pattern<std::int16_t>(maps.out_channels * maps.filter_size(), -3640, 3640);
    const auto pack = [&](const conv_geometry& g, const conv_form& form) {
        return pack_filter<dfp16_training>(g, filters_of(g, w), rhs_storage::fast, {}, {}, form);
    };
    conv_geometry strided = maps;
    strided.stride_h = 2;
    CHECK_THROWS_WITH(pack(strided, {algorithm::winograd}), Contains("stride of 1") && Contains("automatic"));
    CHECK_THROWS_WITH(pack(maps, {algorithm::winograd, 8192}), Contains("8,191"));

    std::vector<std::int64_t> y(static_cast<std::size_t>(maps.out_pixels() * maps.out_channels), 5);
    const matrix_view<std::int64_t> out(y.data(), maps.out_pixels(), maps.out_channels);
    const auto packed = pack(maps, {algorithm::winograd}), narrow = pack(maps, {algorithm::winograd, 100});
    conv_geometry wider = maps;
    wider.in_channels = 41;
    const std::vector<std::int16_t> more(static_cast<std::size_t>(wider.in_pixels() * wider.in_channels));
    CHECK_THROWS_WITH(conv_forward<dfp16_training>(wider, more, 1, packed, out), Contains("40") && Contains("41"));
    x[17] = -8192; // one above
    CHECK_THROWS_WITH(conv_forward<dfp16_training>(maps, x, 1, packed, out), Contains("8192") && Contains("8191"));
    audit sums; // looks at what was promised
    CHECK_THROWS_WITH(conv_forward<dfp16_training>(maps, x, 1, narrow, out, epilogue<>{}, {}, &sums), Contains("100"));
    CHECK(y == std::vector<std::int64_t>(y.size(), 5));
    const totals expected = reference(maps, x, w);
    CHECK(forward(maps, x, w, {.how = algorithm::winograd, .largest = 8192, .or_direct = true}) == expected);
    CHECK(forward(maps, x, w, {}) == expected);

    x[17] = 0;
    w[100] = 8192; // four times it is 32768
    CHECK_THROWS_WITH(pack(maps, {algorithm::winograd}), Contains("filters are too large"));
    CHECK(forward(maps, x, w, {.how = algorithm::winograd, .or_direct = true}) == reference(maps, x, w));

    const auto floats = pattern<float>(maps.out_channels * maps.filter_size(), -1, 1);
    const rhs_view<fp32> real{filter_matrix(maps, floats)};
    CHECK_THROWS_WITH(pack_filter<fp32>(maps, real, rhs_storage::fast, {}, {}, {algorithm::winograd}),
                      Contains("does not multiply int16"));
}

TEST_CASE("the form follows what is known of the input", "[unit]") {
    conv_geometry g = maps;
    g.in_channels = g.out_channels = 96;
    const auto w = pattern<std::int16_t>(g.out_channels * g.filter_size(), -900, 900);
    auto x = pattern<std::int16_t>(g.in_pixels() * g.in_channels, -8191, 8191);
    const auto pack = [&](const conv_form& form) {
        return pack_filter<dfp16_training>(g, filters_of(g, w), rhs_storage::fast, {}, {}, form);
    };
    const auto direct = pack({algorithm::direct}), winograd = pack({algorithm::winograd}),
               both = pack({.how = algorithm::winograd, .or_direct = true});
    CHECK(both.bytes() == direct.bytes() + winograd.bytes());
    CHECK(pack({}).bytes() == direct.bytes());
    CHECK(pack({algorithm::automatic, 8192}).bytes() == direct.bytes());
    CHECK(pack({algorithm::automatic, 8191}).bytes() == winograd.bytes()); // 96 x 96 filters are near every L2
    for (const std::int16_t first : {std::int16_t{8191}, std::int16_t{-8192}, std::int16_t{32767}}) {
        x[0] = first;
        totals y(static_cast<std::size_t>(g.out_pixels() * g.out_channels));
        conv_forward<dfp16_training>(g, x, 1, both,
                                     matrix_view<std::int64_t>(y.data(), g.out_pixels(), g.out_channels));
        CHECK(y == reference(g, x, w));
    }
}

namespace {

/// 8-bit numbers of a convolution, as large as they can be or not.
template <class P>
struct byte_conv {
    conv_geometry g;
    std::vector<typename P::lhs::storage> x;
    std::vector<std::int8_t> w;
    std::vector<float> scales;

    enum class kind { any, largest, alternating };
    byte_conv(const conv_geometry& geometry, kind numbers) : g(geometry) {
        using element = typename P::lhs::storage;
        constexpr auto most = static_cast<element>(P::lhs::format::max_magnitude),
                       least = static_cast<element>(P::lhs::format::min_value);
        x = pattern<element>(g.in_pixels() * g.in_channels, least, most);
        w = pattern<std::int8_t>(g.out_channels * g.filter_size(), -127, 127);
        if (numbers != kind::any) {
            for (auto& v : x) v = numbers == kind::largest || v > most / 2 ? most : least;
            for (auto& v : w) v = static_cast<std::int8_t>(numbers == kind::largest || v < 0 ? -127 : 127);
        }
        for (dim_t j = 0; j < g.out_channels; ++j) scales.push_back(0.001F + 0.0003F * static_cast<float>(j % 7));
    }
    rhs_view<P> filters() const {
        rhs_view<P> view;
        view.values = filter_matrix(g, w);
        view.scale = 0.75;
        view.scales = scales;
        return view;
    }
    packed_filter<P> pack(const conv_form& form, rhs_storage stored = rhs_storage::fast) const {
        return pack_filter<P>(g, filters(), stored, {}, {}, form);
    }
    /// Outputs of any type, in whole.
    template <class Run>
    auto outputs(const Run& run) const {
        const auto size = static_cast<std::size_t>(g.out_pixels() * g.out_channels);
        const std::vector<float> offsets(static_cast<std::size_t>(g.out_channels), 0.3F);
        std::tuple result{std::vector<std::int32_t>(size), std::vector<float>(size), std::vector<std::uint8_t>(size)};
        auto& [sums, values, codes] = result;
        run(matrix_view<std::int32_t>(sums.data(), g.out_pixels(), g.out_channels), epilogue<>{});
        run(matrix_view<float>(values.data(), g.out_pixels(), g.out_channels), epilogue<>{});
        run(quantized_view<std::uint8_t>{{codes.data(), g.out_pixels(), g.out_channels}, 0.02F},
            epilogue{bias{offsets}, relu{}});
        return result;
    }
    auto forward(const packed_filter<P>& packed, executor_ref exec = {}, audit* check = nullptr) const {
        return outputs([&](auto out, auto stages) { conv_forward<P>(g, x, 0.013, packed, out, stages, exec, check); });
    }
    std::vector<std::int32_t> reference() const {
        std::vector<std::int32_t> y(static_cast<std::size_t>(g.out_pixels() * g.out_channels));
        reference_conv_forward<P>(g, x, 0.013, filters(),
                                  matrix_view<std::int32_t>(y.data(), g.out_pixels(), g.out_channels));
        return y;
    }
};

/// Whether this program's kernels widen the bytes of a policy, so that they can take Winograd's products.
template <class P>
constexpr bool widens = detail::widens_bytes<P, simd::native_arch>;

/// Calls f with each policy of bytes.
template <class F>
void for_each_byte_policy(const F& f) {
    f(int8_inference{});
    f(int8_signed{});
}

} // namespace

TEST_CASE("bytes by Winograd's products have the bits of the direct form, whatever they are", "[unit]") {
    thread_pool two(2), three(3);
    for_each_byte_policy([&]<class P>(P) {
        if constexpr (widens<P>) {
            using conv = byte_conv<P>;
            for (const auto numbers : {conv::kind::any, conv::kind::largest, conv::kind::alternating})
                for (dim_t variant = 0; variant < 12; ++variant) {
                    conv_geometry g = maps;
                    g.batch = 1 + variant % 2;
                    g.height = 1 + variant % 8;
                    g.width = variant % 3 == 0 ? 19 : 1 + variant % 6;
                    g.groups = variant % 4 == 3 ? 2 : 1;
                    constexpr dim_t channels[] = {1, 3, 8, 17, 31, 64, 70}, filters[] = {1, 5, 16, 33, 48};
                    g.in_channels = g.groups * channels[variant % 7];
                    g.out_channels = g.groups * filters[variant % 5];
                    g.pad_h = g.height < 3 ? 1 : variant % 3;
                    g.pad_w = g.width < 3 ? 1 : 2 - variant % 3;
                    const conv c(g, numbers);
                    const auto direct = c.pack({algorithm::direct}), winograd = c.pack({algorithm::winograd});
                    REQUIRE(!winograd.winograd.empty());
                    REQUIRE(winograd.groups.empty());
                    const auto expected = c.forward(direct);
                    CHECK(std::get<0>(expected) == c.reference());
                    for (const executor_ref exec : {executor_ref{}, executor_ref(two), executor_ref(three)})
                        CHECK(c.forward(winograd, exec) == expected);
                    audit sums;
                    CHECK(c.forward(winograd, {}, &sums) == expected);
                    CHECK(sums.overflows() == 0);
                    CHECK(sums.chains() > 0);
                    CHECK(c.forward(c.pack({.how = algorithm::winograd, .or_direct = true})) == expected);
                    CHECK(c.forward(c.pack({})) == expected);
                }
        }
    });
}

TEST_CASE("bytes take Winograd's products where they are widened and four times a total fits", "[unit]") {
    for_each_byte_policy([&]<class P>(P) {
        using kind = typename byte_conv<P>::kind;
        conv_geometry g = maps;
        g.height = g.width = 3;
        g.batch = 1;
        const byte_conv<P> c(g, kind::any);
        if constexpr (!widens<P>) {
            CHECK_THROWS_WITH(c.pack({algorithm::winograd}), Contains("does not multiply int16"));
            CHECK(c.pack({}).winograd.empty());
            CHECK(c.pack({.how = algorithm::winograd, .or_direct = true}).winograd.empty());
        } else {
            // as many channels as the formats' law allows, all of one sign and the largest, and one more
            g.in_channels = detail::longest_winograd_bytes<P>() / 9;
            g.out_channels = 2;
            const byte_conv<P> longest(g, kind::largest);
            const auto packed = longest.pack({algorithm::winograd});
            audit sums;
            CHECK(std::get<0>(longest.forward(packed, {}, &sums)) == longest.reference());
            CHECK(sums.overflows() == 0);
            CHECK(sums.largest() > std::int64_t{2'140'000'000});
            ++g.in_channels;
            const byte_conv<P> longer(g, kind::largest);
            CHECK_THROWS_WITH(longer.pack({algorithm::winograd}), Contains("too long") && Contains("automatic"));
            CHECK(longer.pack({}).winograd.empty());
            CHECK(std::get<0>(longer.forward(longer.pack({.how = algorithm::winograd, .or_direct = true}))) ==
                  longer.reference());
            // what should take little memory stays as it is
            CHECK_THROWS_WITH(c.pack({algorithm::winograd}, rhs_storage::compact), Contains("little memory"));
            CHECK(c.pack({}, rhs_storage::compact).winograd.empty());
            // elements outside their formats are refused as by the direct form
            byte_conv<P> outside = c;
            outside.w[100] = -128;
            CHECK_THROWS_WITH(outside.pack({algorithm::winograd}), Contains("rhs holds -128"));
            if constexpr (std::is_signed_v<typename P::lhs::storage>) {
                outside = c;
                outside.x[17] = -128;
                CHECK_THROWS_WITH(outside.forward(c.pack({algorithm::winograd})), Contains("lhs holds -128"));
            }
        }
    });
}

TEST_CASE("bytes take Winograd's products by themselves where channels and tiles are many", "[unit]") {
    for_each_byte_policy([&]<class P>(P) {
        const auto taken = [](dim_t batch, dim_t size, dim_t channels) {
            conv_geometry g = maps;
            g.batch = batch;
            g.height = g.width = size;
            g.in_channels = g.out_channels = channels;
            return !byte_conv<P>(g, byte_conv<P>::kind::any).pack({}).winograd.empty();
        };
        CHECK(taken(1, 14, 96) == widens<P>); // near every L2
        CHECK(taken(8, 7, 96) == widens<P>);
        CHECK(!taken(1, 14, 24));
        CHECK(!taken(1, 7, 96));
        CHECK(!taken(1, 4, 96));
        CHECK(!taken(0, 14, 96));
    });
}
