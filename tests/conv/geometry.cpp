// SPDX-License-Identifier: Apache-2.0

// Output sizes, and the geometries that check() refuses, with the fault and both sides named.

#include "intaglio/conv/geometry.hpp"

#include "support/catch.hpp"

using namespace intaglio;
using Catch::Matchers::Contains;

namespace {
constexpr conv_geometry usual{.batch = 2,
                              .height = 56,
                              .width = 28,
                              .in_channels = 64,
                              .out_channels = 128,
                              .kernel_h = 3,
                              .kernel_w = 3,
                              .pad_h = 1,
                              .pad_w = 1};

conv_geometry with(void (*change)(conv_geometry&)) {
    conv_geometry g = usual;
    change(g);
    return g;
}
} // namespace

TEST_CASE("output sizes", "[unit]") {
    CHECK(usual.out_height() == 56);
    CHECK(usual.out_width() == 28);
    CHECK(usual.macs() == 2 * 56 * 28 * 128 * 9 * 64);
    CHECK(usual.filter_size() == 9 * 64);
    CHECK_NOTHROW(usual.check());
    CHECK(conv_geometry{.height = 224,
                        .width = 224,
                        .in_channels = 3,
                        .out_channels = 64,
                        .kernel_h = 7,
                        .kernel_w = 7,
                        .stride_h = 2,
                        .stride_w = 2,
                        .pad_h = 3,
                        .pad_w = 3}
              .out_height() == 112);
    CHECK(conv_geometry{.height = 224,
                        .width = 224,
                        .in_channels = 3,
                        .out_channels = 64,
                        .kernel_h = 11,
                        .kernel_w = 11,
                        .stride_h = 4,
                        .stride_w = 4,
                        .pad_h = 2,
                        .pad_w = 2}
              .out_width() == 55);
    CHECK(conv_geometry{.height = 5, .width = 5, .kernel_h = 3, .kernel_w = 3, .dilation_h = 2, .dilation_w = 2}
              .out_height() == 1);
    CHECK(conv_geometry{.height = 4, .width = 5, .kernel_h = 3, .kernel_w = 3, .dilation_h = 2, .dilation_w = 2}
              .out_height() == 0);
}

TEST_CASE("check refuses what can't be", "[unit]") {
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.batch = -1; }).check(), shape_error);
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.in_channels = -64; }).check(), shape_error);
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.kernel_h = 0; }).check(), shape_error);
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.stride_w = 0; }).check(), shape_error);
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.dilation_h = 0; }).check(), shape_error);
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.pad_w = -1; }).check(), shape_error);
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.groups = 0; }).check(), shape_error);
    CHECK_THROWS_WITH(with([](conv_geometry& g) { g.groups = 3; }).check(),
                      Contains("groups don't divide the input channels") && Contains("2 x 56 x 28 x 64"));
    CHECK_THROWS_WITH(with([](conv_geometry& g) { g.in_channels = 63, g.groups = 3; }).check(),
                      Contains("groups don't divide the filters"));
    CHECK_THROWS_WITH(with([](conv_geometry& g) { g.kernel_h = 59; }).check(),
                      Contains("higher than the padded image") && Contains("59 x 3"));
    CHECK_THROWS_WITH(with([](conv_geometry& g) { g.dilation_w = 15; }).check(),
                      Contains("wider than the padded image"));
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.height = std::ptrdiff_t{1} << 40; }).check(), shape_error);
    // the product overflows
    CHECK_THROWS_AS(with([](conv_geometry& g) { g.batch = g.height = g.width = 1 << 29; }).check(), shape_error);
}

TEST_CASE("empty sizes are fine", "[unit]") {
    CHECK_NOTHROW(with([](conv_geometry& g) { g.batch = 0; }).check());
    CHECK_NOTHROW(with([](conv_geometry& g) { g.in_channels = 0; }).check());
    CHECK_NOTHROW(with([](conv_geometry& g) { g.out_channels = 0; }).check());
    CHECK_NOTHROW(with([](conv_geometry& g) { g.height = 0, g.pad_h = 2; }).check());
}
