// SPDX-License-Identifier: Apache-2.0

// The edge of the three passes: what they refuse, with both sides named and the output left as it was; empty images;
// the checked mode; the portable tile arch.

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/weight_gradient.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "intaglio/conv/reference.hpp"
#include "support/catch.hpp"
#include "support/pattern.hpp"
#include "support/planes.hpp"

using namespace intaglio;
using Catch::Matchers::Contains;

namespace {

constexpr conv_geometry shape{.batch = 2,
                              .height = 6,
                              .width = 5,
                              .in_channels = 4,
                              .out_channels = 6,
                              .kernel_h = 3,
                              .kernel_w = 3,
                              .pad_h = 1,
                              .pad_w = 1,
                              .groups = 2};

} // namespace

TEST_CASE("filters are packed for their geometry", "[unit]") {
    const auto w = pattern<float>(shape.out_channels * shape.filter_size(), -3, 3);
    const rhs_view<fp32> filter{filter_matrix(shape, w)};
    CHECK(filter.values.rows() == 18);
    CHECK(filter.values.cols() == 6);
    const auto packed = pack_filter<fp32>(shape, filter);
    CHECK(packed.bytes() > 0);
    CHECK_THROWS_AS(pack_filter<fp32>(shape, rhs_view<fp32>{{w.data(), 17, 6}}), shape_error);
    CHECK_THROWS_WITH(pack_filter<fp32>(shape, rhs_view<fp32>{{w.data(), 17, 6}}),
                      Contains("17 x 6") && Contains("18 x 6"));

    const auto x = pattern<float>(shape.in_pixels() * shape.in_channels, -3, 3);
    std::vector<float> out(static_cast<std::size_t>(shape.out_pixels() * shape.out_channels), 8.0F);
    const matrix_view<float> view(out.data(), shape.out_pixels(), shape.out_channels);
    conv_geometry other = shape;
    other.groups = 1;
    CHECK_THROWS_AS(conv_forward<fp32>(other, x, 1, packed, view), shape_error);
    CHECK_THROWS_AS(conv_forward<fp32>(shape, x, 1, packed, matrix_view<float>(out.data(), 59, 6)), shape_error);
    CHECK_THROWS_AS(conv_forward<fp32>(shape, {}, 1, packed, view), shape_error);
    other = shape;
    other.stride_h = 0;
    CHECK_THROWS_AS(conv_forward<fp32>(other, x, 1, packed, view), shape_error);
    CHECK(out == std::vector<float>(out.size(), 8.0F));
}

TEST_CASE("gradients refuse what they can't read or write", "[unit]") {
    const auto x = pattern<float>(shape.in_pixels() * shape.in_channels, -3, 3);
    const auto w = pattern<float>(shape.out_channels * shape.filter_size(), -3, 3);
    const auto d_out = pattern<float>(shape.out_pixels() * shape.out_channels, -3, 3);
    std::vector<float> out(1000, 8.0F);
    const matrix_view<float> d_x(out.data(), shape.in_pixels(), shape.in_channels),
        d_w(out.data(), shape.out_channels, shape.filter_size());
    CHECK_THROWS_AS(conv_input_gradient<fp32>(shape, {}, 1, w, 1, d_x), shape_error);
    CHECK_THROWS_AS(conv_input_gradient<fp32>(shape, d_out, 1, {}, 1, d_x), shape_error);
    CHECK_THROWS_AS(conv_input_gradient<fp32>(shape, d_out, 1, w, 1, d_w), shape_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, {}, 1, d_out, 1, d_w), shape_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, x, 1, {}, 1, d_w), shape_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, x, 1, d_out, 1, d_x), shape_error);
    CHECK(out == std::vector<float>(out.size(), 8.0F));
}

TEST_CASE("dense operands have the geometry's size and lie apart from the output", "[unit]") {
    const auto x = pattern<float>(shape.in_pixels() * shape.in_channels, -3, 3);
    const auto w = pattern<float>(shape.out_channels * shape.filter_size(), -3, 3);
    const auto d_out = pattern<float>(shape.out_pixels() * shape.out_channels, -3, 3);
    const auto packed = pack_filter<fp32>(shape, {filter_matrix(shape, w)});
    std::vector<float> out(1000, 8.0F);
    const matrix_view<float> y(out.data(), shape.out_pixels(), shape.out_channels),
        d_x(out.data(), shape.in_pixels(), shape.in_channels), d_w(out.data(), shape.out_channels, shape.filter_size());
    const auto less = [](const std::vector<float>& v) { return std::span(v).first(v.size() - 1); };
    CHECK_THROWS_WITH(conv_forward<fp32>(shape, less(x), 1, packed, y),
                      Contains("the input: 239") && Contains("60 x 4"));
    CHECK_THROWS_AS(filter_matrix(shape, less(w)), shape_error);
    CHECK_THROWS_AS(filter_matrix(shape, std::vector<float>()), shape_error);
    CHECK_THROWS_WITH(pack_gradient_filter<fp32>(shape, less(w), 1), Contains("107 elements"));
    CHECK_THROWS_WITH(conv_input_gradient<fp32>(shape, less(d_out), 1, w, 1, d_x),
                      Contains("the output gradient: 359"));
    CHECK_THROWS_AS(conv_input_gradient<fp32>(shape, d_out, 1, less(w), 1, d_x), shape_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, less(x), 1, d_out, 1, d_w), shape_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, x, 1, less(d_out), 1, d_w), shape_error);
    CHECK_THROWS_AS(conv_weight_gradient<dfp16_planar>(shape, pattern<std::uint8_t>(240, 0, 9), 1,
                                                       pattern<std::uint8_t>(720, 0, 9), 1, d_w),
                    shape_error); // one plane of two

    const auto in_out = [&](std::size_t size) { return std::span<const float>(out).subspan(1, size); };
    CHECK_THROWS_WITH(conv_forward<fp32>(shape, in_out(x.size()), 1, packed, y),
                      Contains("shares memory with the input"));
    CHECK_THROWS_AS(conv_input_gradient<fp32>(shape, in_out(d_out.size()), 1, w, 1, d_x), value_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, in_out(x.size()), 1, d_out, 1, d_w), value_error);
    CHECK_THROWS_AS(conv_weight_gradient<fp32>(shape, x, 1, in_out(d_out.size()), 1, d_w), value_error);
    CHECK_THROWS_AS(conv_forward<fp32>(shape, x, 1, packed, y, epilogue{bias{std::span(w).first(5)}}), shape_error);
    CHECK(out == std::vector<float>(out.size(), 8.0F));
}

TEST_CASE("filters are packed once for the input gradient", "[unit]") {
    conv_geometry strided = shape;
    strided.stride_h = strided.stride_w = 2;
    const auto w = pattern<std::int16_t>(strided.out_channels * strided.filter_size(), -300, 300);
    const auto d_out = pattern<std::int16_t>(strided.out_pixels() * strided.out_channels, -300, 300);
    std::vector<float> dense(static_cast<std::size_t>(strided.in_pixels() * strided.in_channels)),
        packed(dense.size(), 8.0F);
    const matrix_view<float> dense_view(dense.data(), strided.in_pixels(), strided.in_channels),
        view(packed.data(), strided.in_pixels(), strided.in_channels);
    conv_input_gradient<dfp16_training>(strided, d_out, 0.5, w, 0.25, dense_view);
    const auto filter = pack_gradient_filter<dfp16_training>(strided, w, 0.25);
    CHECK(static_cast<intaglio::dim_t>(filter.products.size()) == strided.groups * 4);
    CHECK(filter.bytes() >= static_cast<intaglio::dim_t>(w.size() * sizeof(std::int16_t)));

    const auto denser = pattern<std::int16_t>(shape.out_pixels() * shape.out_channels, -300, 300);
    CHECK_THROWS_WITH(conv_input_gradient<dfp16_training>(shape, denser, 0.5, filter, view),
                      Contains("8 products") && Contains("pack_gradient_filter"));
    conv_geometry wider = strided;
    wider.kernel_w += 1;
    const auto more = pattern<std::int16_t>(wider.out_pixels() * wider.out_channels, -300, 300);
    CHECK_THROWS_WITH(conv_input_gradient<dfp16_training>(wider, more, 0.5, filter, view),
                      Contains("the geometry needs"));
    CHECK_THROWS_AS(pack_gradient_filter<dfp16_training>(strided, {}, 0.25), shape_error);
    CHECK(packed == std::vector<float>(packed.size(), 8.0F));

    conv_input_gradient<dfp16_training>(strided, d_out, 0.5, filter, view);
    CHECK(packed == dense);
}

TEST_CASE("elements outside of their format are refused and named", "[unit]") {
    const auto x = pattern<std::int16_t>(shape.in_pixels() * shape.in_channels, -300, 300);
    auto d_out = pattern<std::int16_t>(shape.out_pixels() * shape.out_channels, -300, 300);
    std::vector<float> d_filter(static_cast<std::size_t>(shape.out_channels * shape.filter_size()), 8.0F);
    d_out[17] = -32768;
    CHECK_THROWS_WITH(
        conv_weight_gradient<dfp16_training>(
            shape, x, 1, d_out, 1, matrix_view<float>(d_filter.data(), shape.out_channels, shape.filter_size())),
        Contains("-32768") && Contains("output gradient"));
    CHECK(d_filter == std::vector<float>(d_filter.size(), 8.0F));

    conv_geometry points = shape; // a single tap: the input is on the right-hand side
    points.kernel_h = points.kernel_w = 1;
    points.pad_h = points.pad_w = 0;
    auto in = x;
    in[17] = -32768;
    const auto d_points = pattern<std::int16_t>(points.out_pixels() * points.out_channels, -300, 300);
    CHECK_THROWS_WITH(
        conv_weight_gradient<dfp16_training>(
            points, in, 1, d_points, 1, matrix_view<float>(d_filter.data(), points.out_channels, points.filter_size())),
        Contains("-32768") && Contains("the input"));
    CHECK(d_filter == std::vector<float>(d_filter.size(), 8.0F));
}

TEST_CASE("weight gradients of many images are summed in parts that stay in L2", "[exact]") {
    const conv_geometry shapes[] = {
        {.batch = 37, .height = 20, .width = 19, .in_channels = 16, .out_channels = 16, .kernel_h = 3, .pad_h = 1},
        {.batch = 37, .height = 20, .width = 20, .in_channels = 40, .out_channels = 21},
        {.batch = 35, .height = 23, .width = 20, .in_channels = 21, .out_channels = 40, .stride_h = 2, .stride_w = 2},
        {.batch = 41,
         .height = 15,
         .width = 17,
         .in_channels = 10,
         .out_channels = 34,
         .kernel_h = 3,
         .kernel_w = 5,
         .stride_h = 2,
         .pad_w = 2,
         .groups = 2},
    };
    for (const conv_geometry& g : shapes) {
        CAPTURE(g.in_channels, g.out_channels);
        auto x = pattern<std::int16_t>(g.in_pixels() * g.in_channels, -32767, 32767),
             d_out = pattern<std::int16_t>(g.out_pixels() * g.out_channels, -32767, 32767);
        for (const bool largest : {false, true}) {
            if (largest) {
                std::fill(x.begin(), x.end(), std::int16_t{-32767});
                std::fill(d_out.begin(), d_out.end(), std::int16_t{32767});
            }
            const auto size = static_cast<std::size_t>(g.out_channels * g.filter_size());
            std::vector<std::int64_t> expected(size);
            reference_conv_weight_gradient<dfp16_training>(
                g, x, 1, d_out, 1, matrix_view<std::int64_t>(expected.data(), g.out_channels, g.filter_size()));
            std::vector<float> rounded(size);
            for (std::size_t i = 0; i < size; ++i)
                rounded[i] = output_value(expected[i], output_factor<std::int64_t>(0.75));
            for (const int threads : {1, 2, 3}) {
                thread_pool pool(threads);
                std::vector<std::int64_t> totals(size);
                std::vector<float> reals(size);
                audit check;
                conv_weight_gradient<dfp16_training>(
                    g, x, 1, d_out, 1, matrix_view<std::int64_t>(totals.data(), g.out_channels, g.filter_size()), pool,
                    &check);
                conv_weight_gradient<dfp16_training>(
                    g, x, 3, d_out, 0.25, matrix_view<float>(reals.data(), g.out_channels, g.filter_size()), pool);
                CHECK(totals == expected);
                CHECK(reals == rounded);
                CHECK(check.overflows() == 0);
            }
        }
    }
}

TEST_CASE("what is known of the input proves whole chains, or is measured where it does not suffice", "[unit][exact]") {
    constexpr std::int32_t largest = 8191;
    const conv_geometry g{.batch = 2,
                          .height = 5,
                          .width = 16,
                          .in_channels = 20,
                          .out_channels = 17,
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .pad_h = 1,
                          .pad_w = 1};
    const auto elements = [](dim_t size, std::int32_t most) {
        std::vector<std::int16_t> v(static_cast<std::size_t>(size), static_cast<std::int16_t>(most));
        for (std::size_t i = 0; i < v.size(); i += 3) v[i] = static_cast<std::int16_t>(-most);
        return v;
    };
    const auto x = elements(g.in_pixels() * g.in_channels, largest),
               d_out = elements(g.out_pixels() * g.out_channels, largest);
    // 180 products of the forward pass, 153 of the gradient
    for (const std::int32_t weight : {1, 1300, 1439, 1456, 1457, 2000, 32767}) {
        CAPTURE(weight);
        auto w = elements(g.out_channels * g.filter_size(), weight);
        for (std::size_t i = 0; i < 180; ++i) w[i] = static_cast<std::int16_t>(x[i] > 0 ? weight : -weight);
        const rhs_view<dfp16_training> filter{filter_matrix(g, w)};
        const auto forward = pack_filter<dfp16_training>(g, filter, rhs_storage::fast, {}, {},
                                                         {.how = algorithm::direct, .largest = largest});
        const auto gradient =
            pack_gradient_filter<dfp16_training>(g, w, 1, {}, {}, {.how = algorithm::direct, .largest = largest});
        if (weight == 1 && intaglio::detail::kernel_traits<dfp16_training, simd::native_arch>::proven)
            CHECK((forward.groups[0].whole_chains() && gradient.products[0].whole_chains()));
        if (weight >= 1457) CHECK_FALSE(forward.groups[0].whole_chains());
        std::vector<std::int64_t> y(static_cast<std::size_t>(g.out_pixels() * g.out_channels)), expected(y.size()),
            d_x(x.size()), d_x_expected(x.size());
        const auto view = [](std::vector<std::int64_t>& v, dim_t rows) {
            return matrix_view<std::int64_t>(v.data(), rows, std::ssize(v) / rows);
        };
        audit check;
        conv_forward<dfp16_training>(g, x, 1, forward, view(y, g.out_pixels()), epilogue<>{}, {}, &check);
        conv_input_gradient<dfp16_training>(g, d_out, 1, gradient, view(d_x, g.in_pixels()), epilogue<>{}, {}, &check);
        reference_conv_forward<dfp16_training>(g, x, 1, filter, view(expected, g.out_pixels()));
        reference_conv_input_gradient<dfp16_training>(g, d_out, 1, w, 1, view(d_x_expected, g.in_pixels()));
        CHECK(y == expected);
        CHECK(d_x == d_x_expected);
        CHECK(check.overflows() == 0);
    }
}

TEST_CASE("no images and no channels", "[unit]") {
    conv_geometry none = shape;
    none.batch = 0;
    const auto w = pattern<std::int16_t>(none.out_channels * none.filter_size(), -300, 300);
    const auto packed = pack_filter<dfp16_training>(none, rhs_view<dfp16_training>{filter_matrix(none, w)});
    conv_forward<dfp16_training>(none, {}, 1, packed, matrix_view<float>(nullptr, 0, none.out_channels));
    conv_input_gradient<dfp16_training>(none, {}, 1, w, 1, matrix_view<float>(nullptr, 0, none.in_channels));
    std::vector<float> d_w(w.size(), 5.0F);
    conv_weight_gradient<dfp16_training>(none, {}, 1, {}, 1,
                                         matrix_view<float>(d_w.data(), none.out_channels, none.filter_size()));
    CHECK(d_w == std::vector<float>(d_w.size(), 0.0F)); // the sum over no pixels

    conv_geometry hollow = shape;
    hollow.in_channels = 0;
    const auto empty = pack_filter<dfp16_training>(
        hollow, rhs_view<dfp16_training>{filter_matrix(hollow, std::vector<std::int16_t>())});
    std::vector<float> out(static_cast<std::size_t>(hollow.out_pixels() * hollow.out_channels), 5.0F);
    conv_forward<dfp16_training>(hollow, {}, 1, empty,
                                 matrix_view<float>(out.data(), hollow.out_pixels(), hollow.out_channels));
    CHECK(out == std::vector<float>(out.size(), 0.0F)); // the sum over no channels
}

TEST_CASE("zeros around an image are multiplied like any number", "[unit][exact]") {
    constexpr float inf = std::numeric_limits<float>::infinity(), nan = canonical_nan;
    const auto same = [](const std::vector<float>& got, const std::vector<float>& expected) {
        return std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0;
    };
    const conv_geometry line{.height = 1,
                             .width = 6,
                             .in_channels = 1,
                             .out_channels = 1,
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .pad_h = 1,
                             .pad_w = 1};
    const std::vector<float> ones(6, 1.0F);
    std::vector<float> out(6), d_w(9);
    const matrix_view<float> row(out.data(), 6, 1), filter(d_w.data(), 1, 9);
    const auto forward = [&](const std::vector<float>& w) {
        conv_forward<fp32>(line, ones, 1, pack_filter<fp32>(line, rhs_view<fp32>{filter_matrix(line, w)}), row);
        return out;
    };
    CHECK(same(forward({0, 0, 0, 1, 1, 1, 0, 0, 0}), {2, 3, 3, 3, 3, 2}));
    CHECK(same(forward({0, inf, 0, 1, 1, 1, 0, 0, 0}), {nan, nan, nan, nan, nan, nan})); // above the image
    CHECK(same(forward({0, 0, 0, 1, inf, 1, 0, 0, 0}), {inf, inf, inf, inf, inf, inf}));
    CHECK(same(forward({0, 0, 0, inf, 1, 1, 0, 0, 0}), {nan, inf, inf, inf, inf, inf})); // left of it

    const auto input_gradient = [&](const std::vector<float>& w) {
        conv_input_gradient<fp32>(line, ones, 1, w, 1, row);
        return out;
    };
    CHECK(same(input_gradient({0, 0, 0, 1, 1, 1, 0, 0, 0}), {2, 3, 3, 3, 3, 2}));
    CHECK(same(input_gradient({0, 0, 0, 1, 1, 1, 0, nan, 0}), {nan, nan, nan, nan, nan, nan}));
    CHECK(same(input_gradient({0, 0, 0, 1, 1, inf, 0, 0, 0}), {nan, inf, inf, inf, inf, inf}));

    const auto weight_gradient = [&](const std::vector<float>& x, const std::vector<float>& d_out) {
        conv_weight_gradient<fp32>(line, x, 1, d_out, 1, filter);
        return d_w;
    };
    CHECK(same(weight_gradient(ones, ones), {0, 0, 0, 5, 6, 5, 0, 0, 0}));
    CHECK(same(weight_gradient(ones, {inf, 1, 1, 1, 1, 1}), {nan, nan, nan, nan, inf, inf, nan, nan, nan}));
    CHECK(same(weight_gradient({inf, 1, 1, 1, 1, 1}, ones), {0, 0, 0, inf, inf, 5, 0, 0, 0})); // never right of a pixel

    conv_geometry strided = line; // a tap that lies between two outputs is in no sum
    strided.kernel_h = 1;
    strided.pad_h = 0;
    strided.stride_w = 2;
    const std::vector<float> w{1, inf, 1};
    conv_input_gradient<fp32>(strided, std::vector<float>(3, 1.0F), 1, w, 1, row);
    CHECK(same(out, {inf, 2, inf, 2, inf, 1}));
}

TEST_CASE("the checked mode and an atom of sixteen rows agree with the scalar text", "[unit][exact]") {
    const auto x = pattern<std::int16_t>(shape.in_pixels() * shape.in_channels, 30000, 32767);
    const auto w = pattern<std::int16_t>(shape.out_channels * shape.filter_size(), -32767, -30000);
    const std::ptrdiff_t size = shape.out_pixels() * shape.out_channels;
    std::vector<std::int64_t> expected(static_cast<std::size_t>(size)), out(expected.size());
    const rhs_view<dfp16_training> filter{filter_matrix(shape, w)};
    reference_conv_forward<dfp16_training>(
        shape, x, 1, filter, matrix_view<std::int64_t>(expected.data(), shape.out_pixels(), shape.out_channels));
    audit check;
    conv_forward<dfp16_training>(shape, x, 1, pack_filter<dfp16_training>(shape, filter),
                                 matrix_view<std::int64_t>(out.data(), shape.out_pixels(), shape.out_channels),
                                 epilogue<>{}, {}, &check);
    CHECK(out == expected);
    CHECK(check.overflows() == 0);
    CHECK(check.chains() >= size);

    using tile = simd::arch::portable_tile;
    const rhs_view<dfp16_bytes> bytes{filter_matrix(shape, w)};
    std::fill(out.begin(), out.end(), 0);
    conv_forward<dfp16_bytes, tile>(shape, x, 1, pack_filter<dfp16_bytes, tile>(shape, bytes),
                                    matrix_view<std::int64_t>(out.data(), shape.out_pixels(), shape.out_channels));
    CHECK(out == expected);
}

namespace {

/// The three passes of a policy, from the numbers' storage, as raw totals one after the other.
template <GemmPolicy P, class Arch, class T>
std::vector<std::int64_t> all_passes(const conv_geometry& g, const std::vector<T>& x, const std::vector<T>& w,
                                     const std::vector<T>& d) {
    std::vector<std::int64_t> out(static_cast<std::size_t>(g.out_pixels() * g.out_channels)),
        d_x(static_cast<std::size_t>(g.in_pixels() * g.in_channels)),
        d_w(static_cast<std::size_t>(g.out_channels * g.filter_size()));
    rhs_view<P> filter{filter_matrix(g, w)};
    filter.plane_stride = g.out_channels * g.filter_size();
    conv_forward<P, Arch>(g, x, 1, pack_filter<P, Arch>(g, filter),
                          matrix_view<std::int64_t>(out.data(), g.out_pixels(), g.out_channels));
    conv_input_gradient<P, Arch>(g, d, 1, w, 1, matrix_view<std::int64_t>(d_x.data(), g.in_pixels(), g.in_channels));
    conv_weight_gradient<P, Arch>(g, x, 1, d, 1,
                                  matrix_view<std::int64_t>(d_w.data(), g.out_channels, g.filter_size()));
    out.insert(out.end(), d_x.begin(), d_x.end());
    out.insert(out.end(), d_w.begin(), d_w.end());
    return out;
}

template <class Arch>
void check_planar(const conv_geometry& g) {
    const auto x = pattern<std::int16_t>(g.in_pixels() * g.in_channels, -32768, 32767),
               w = pattern<std::int16_t>(g.out_channels * g.filter_size(), -32768, 32767),
               d = pattern<std::int16_t>(g.out_pixels() * g.out_channels, -32768, 32767);
    CHECK((all_passes<dfp16_planar, Arch>(g, planes_of(x), planes_of(w), planes_of(d)) ==
           all_passes<dfp16_bytes, Arch>(g, x, w, d)));
}

} // namespace

TEST_CASE("passes on planar bytes are those on byte planes", "[unit][exact]") {
    conv_geometry strided = shape, points = shape, wide = shape;
    strided.stride_h = strided.stride_w = 2;
    points.kernel_h = points.kernel_w = 1;
    points.pad_h = points.pad_w = 0;
    wide.groups = 1;
    wide.in_channels = 64;
    wide.out_channels = 33;
    for (const conv_geometry& g : {shape, strided, points, wide}) {
        check_planar<simd::native_arch>(g);
        check_planar<simd::arch::portable_tile>(g);
    }
}

TEST_CASE("lines of planar bytes are read where they were transposed", "[unit]") {
    using traits = intaglio::detail::kernel_traits<dfp16_planar, simd::arch::portable_tile>;
    const intaglio::detail::image_view<std::uint8_t> image{nullptr, 1, 6, 5, traits::rows, 0, traits::rows};
    const auto numbers = planes_of(pattern<std::int16_t>(image.plane_stride(), -32768, 32767));
    auto view = image;
    view.data = numbers.data();
    const intaglio::detail::window_axis y{6, 6, 3, -1, 1, 1}, x{5, 5, 3, -1, 1, 1};
    const intaglio::detail::line_source source(view, y, x, traits::k, 2, {});
    intaglio::detail::worker_scratch<traits> scratch;
    source.copy_patch<traits>(0, source.rows(), scratch.image);
    intaglio::detail::gather_block<traits>(source, 0, source.rows(), 0, source.depth(), scratch);
    CHECK(scratch.panels.size() == 9);
    CHECK(scratch.lhs.size() == 0);
    CHECK(scratch.panels[0].plane_stride == source.plane_stride());
}

namespace {

/// Chains of three: no step of any atom with more than one product.
struct chains_of_three : int8_signed {
    using rhs = operand<fixed<8>, per_tensor>;
    using total = float;
    using chain = fixed_chain<3>;
};

/// The three passes, whose totals are floats: where chains end shows in the bits.
template <class P>
void check_float_totals() {
    using storage = typename P::lhs::storage;
    // lines of 31 pixels that a gradient reads with gaps between them, more than one chain of them
    const conv_geometry g{.batch = 2,
                          .height = 19,
                          .width = 31,
                          .in_channels = 5,
                          .out_channels = 19,
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .pad_h = 1,
                          .pad_w = 1};
    constexpr int most = std::is_same_v<storage, std::int8_t> ? 127 : 134'217'727;
    const auto x = pattern<storage>(g.in_pixels() * g.in_channels, -most, most),
               w = pattern<storage>(g.out_channels * g.filter_size(), -most, most / 3),
               d = pattern<storage>(g.out_pixels() * g.out_channels, -most / 5, most);
    const auto check = [](dim_t rows, dim_t cols, const auto& run, const auto& reference) {
        std::vector<float> out(static_cast<std::size_t>(rows * cols)), expected(out.size());
        run(matrix_view<float>(out.data(), rows, cols));
        reference(matrix_view<float>(expected.data(), rows, cols));
        CHECK(out == expected);
    };
    const rhs_view<P> filter{filter_matrix(g, w)};
    check(
        g.out_pixels(), g.out_channels, [&](auto out) { conv_forward<P>(g, x, 1, pack_filter<P>(g, filter), out); },
        [&](auto out) { reference_conv_forward<P>(g, x, 1, filter, out); });
    check(
        g.in_pixels(), g.in_channels,
        [&](auto out) { conv_input_gradient<P>(g, d, 1, pack_gradient_filter<P>(g, w, 1), out); },
        [&](auto out) { reference_conv_input_gradient<P>(g, d, 1, w, 1, out); });
    check(
        g.out_channels, g.filter_size(), [&](auto out) { conv_weight_gradient<P>(g, x, 1, d, 1, out); },
        [&](auto out) { reference_conv_weight_gradient<P>(g, x, 1, d, 1, out); });
}

} // namespace

TEST_CASE("chains of float totals end where the scalar text ends them, in all passes", "[unit][exact]") {
    check_float_totals<int32_mantissas>();
    check_float_totals<chains_of_three>();
}

TEST_CASE("the largest filters of ResNet-50 take three locked digits", "[unit]") {
    using policy = ternary8_locked<3>;
    const conv_geometry g{.height = 3, .width = 3, .in_channels = 512, .out_channels = 2, .kernel_h = 3, .kernel_w = 3};
    const std::vector<std::int8_t> w(static_cast<std::size_t>(g.out_channels * g.filter_size()), 13);
    const std::vector<std::uint8_t> x(static_cast<std::size_t>(g.in_pixels() * g.in_channels), 255),
        scales(static_cast<std::size_t>(g.out_channels * g.filter_size() / 64), 9);
    std::vector<std::int32_t> out(2);
    conv_forward<policy>(g, x, 1, pack_filter<policy>(g, rhs_view<policy>{filter_matrix(g, w), 1, scales}),
                         matrix_view<std::int32_t>(out.data(), 1, 2));
    CHECK(out == std::vector<std::int32_t>(2, 4608 * 255 * 13 * 9));
}
