// SPDX-License-Identifier: Apache-2.0

// The scalar text of the three passes against convolutions worked out by hand, and against each other: a convolution is
// bilinear, so the gradients are known from the forward pass alone, <d_out, conv(x, w)> = <d_x, x> = <d_w, w>.

#include "intaglio/conv/reference.hpp"

#include <cstdint>
#include <vector>

#include "intaglio/gemm/presets.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

std::vector<std::int16_t> mixed_codes(std::ptrdiff_t count, unsigned seed) {
    std::vector<std::int16_t> v(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < v.size(); ++i)
        v[i] = static_cast<std::int16_t>(static_cast<int>((i * 2654435761U + seed * 40503U) >> 7 & 255) - 127);
    return v;
}

std::int64_t dot(const std::vector<std::int64_t>& a, const std::vector<std::int16_t>& b) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

} // namespace

TEST_CASE("a 3 x 3 convolution by hand", "[unit]") {
    const conv_geometry g{.height = 3,
                          .width = 3,
                          .in_channels = 1,
                          .out_channels = 1,
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .pad_h = 1,
                          .pad_w = 1};
    const std::int16_t x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, filter[] = {1, 0, 0, 0, 10, 0, 0, 0, 100};
    std::vector<std::int64_t> out(9);
    reference_conv_forward<dfp16_training>(g, x, 1, {matrix_view<const std::int16_t>(filter, 1, 9).transposed()},
                                           matrix_view<std::int64_t>(out.data(), 9, 1));
    CHECK(out == std::vector<std::int64_t>{510, 620, 30, 840, 951, 62, 70, 84, 95});
    reference_conv_input_gradient<dfp16_training>(g, x, 1, filter, 1, matrix_view<std::int64_t>(out.data(), 9, 1));
    CHECK(out == std::vector<std::int64_t>{15, 26, 30, 48, 159, 260, 70, 480, 590});
}

TEST_CASE("stride, padding, dilation and groups: the gradients follow from the forward pass", "[unit][gradient]") {
    const std::vector<conv_geometry> shapes{
        {.batch = 2,
         .height = 5,
         .width = 7,
         .in_channels = 3,
         .out_channels = 4,
         .kernel_h = 3,
         .kernel_w = 2,
         .stride_h = 2,
         .stride_w = 3,
         .pad_h = 1,
         .pad_w = 2},
        {.batch = 1,
         .height = 9,
         .width = 8,
         .in_channels = 4,
         .out_channels = 6,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 2,
         .pad_w = 1,
         .dilation_h = 2,
         .dilation_w = 3,
         .groups = 2},
        {.batch = 3,
         .height = 4,
         .width = 4,
         .in_channels = 5,
         .out_channels = 5,
         .kernel_h = 4,
         .kernel_w = 4,
         .stride_h = 3,
         .stride_w = 1,
         .pad_h = 3,
         .pad_w = 0,
         .groups = 5},
    };
    for (const conv_geometry& g : shapes) {
        const auto x = mixed_codes(g.in_pixels() * g.in_channels, 1),
                   w = mixed_codes(g.out_channels * g.filter_size(), 2);
        const auto d_out = mixed_codes(g.out_pixels() * g.out_channels, 3);
        std::vector<std::int64_t> out(d_out.size()), d_x(x.size()), d_w(w.size());
        reference_conv_forward<dfp16_training>(
            g, x, 1, {matrix_view<const std::int16_t>(w.data(), g.out_channels, g.filter_size()).transposed()},
            matrix_view<std::int64_t>(out.data(), g.out_pixels(), g.out_channels));
        reference_conv_input_gradient<dfp16_training>(
            g, d_out, 1, w, 1, matrix_view<std::int64_t>(d_x.data(), g.in_pixels(), g.in_channels));
        reference_conv_weight_gradient<dfp16_training>(
            g, x, 1, d_out, 1, matrix_view<std::int64_t>(d_w.data(), g.out_channels, g.filter_size()));
        CHECK(dot(out, d_out) == dot(d_x, x));
        CHECK(dot(out, d_out) == dot(d_w, w));
        CHECK(dot(out, d_out) != 0);
    }
}

TEST_CASE("each filter has its own scale", "[unit]") {
    const conv_geometry g{.height = 1, .width = 2, .in_channels = 1, .out_channels = 2};
    const std::uint8_t x[] = {3, 5};
    const std::int8_t filter[] = {2, -7};
    const float scales[] = {0.5F, 4.0F};
    float out[4];
    reference_conv_forward<int8_inference>(g, x, 2.0,
                                           {matrix_view<const std::int8_t>(filter, 2, 1).transposed(), 1, scales},
                                           matrix_view<float>(out, 2, 2));
    CHECK(out[0] == 6);
    CHECK(out[1] == -168);
    CHECK(out[2] == 10);
    CHECK(out[3] == -280);
}

TEST_CASE("the references name the shape that they expect", "[unit]") {
    const conv_geometry g{.height = 4, .width = 4, .in_channels = 2, .out_channels = 3, .kernel_h = 3, .kernel_w = 3};
    const std::vector<float> data(200);
    float out[12] = {};
    CHECK_THROWS_WITH(reference_conv_forward<fp32>(g, std::vector<float>(32), 1,
                                                   {matrix_view<const float>(data.data(), 17, 3)},
                                                   matrix_view<float>(out, 4, 3)),
                      Catch::Matchers::Contains("18 x 3") && Catch::Matchers::Contains("17 x 3"));
    CHECK_THROWS_AS(reference_conv_weight_gradient<fp32>(g, std::vector<float>(32), 1, std::vector<float>(12), 1,
                                                         matrix_view<float>(out, 3, 4)),
                    shape_error);
}
