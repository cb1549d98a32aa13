// SPDX-License-Identifier: Apache-2.0

// What Winograd's products promise: the transforms are what their formulas say, the choice changes no bit, what can't
// be exact is refused or computed directly, and the audit sees every sum.

#include "intaglio/conv/winograd.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/reference.hpp"
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

} // namespace

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
