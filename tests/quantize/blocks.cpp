// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/blocks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "intaglio/quantize/report.hpp"
#include "support/catch.hpp"

namespace intaglio {
namespace {

std::vector<float> gaussian(dim_t count, std::uint64_t stream) {
    std::vector<float> w(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = random_normal(23, stream, i);
    return w;
}

} // namespace

TEST_CASE("errors of integer blocks on Gaussian weights", "[unit]") {
    const dim_t rows = 64, cols = 4096;
    const auto w = gaussian(rows * cols, 1);
    // Codes -7 .. 7 and -3 .. 3. With the asymmetric extra code, -8 and -4, these would be 0.0089 and 0.0358; symmetric
    // ranges keep every bound.
    REQUIRE(nmse(w, quantize_blocks<fixed<4>>(w, rows, cols, {.block = 64, .rule = scale_rule::least_error})) ==
            Approx(0.0099).epsilon(0.03));
    REQUIRE(nmse(w, quantize_blocks<fixed<3>>(w, rows, cols, {.block = 64, .rule = scale_rule::least_error})) ==
            Approx(0.0419).epsilon(0.03));
    float largest = 0; // 8 bits for the whole tensor: uniform errors of one step, so step^2 / 12
    for (const float x : w) largest = std::max(largest, std::abs(x));
    REQUIRE(nmse(w, quantize_blocks<fixed<8>>(w, 1, rows * cols, {})) ==
            Approx(std::pow(static_cast<double>(largest) / 127, 2) / 12).epsilon(0.02));
    REQUIRE(nmse(w, quantize_blocks<fixed<8>>(w, rows, cols, {})) < 1.2e-4);
    REQUIRE(nmse(w, quantize_blocks<fixed<14>>(w, rows, cols, {.block = 32})) < 1e-8);
}

TEST_CASE("codes are the nearest, and the largest takes the largest code", "[unit][exact]") {
    const dim_t rows = 7, cols = 75;
    const auto w = gaussian(rows * cols, 2);
    for (const dim_t block : {dim_t{0}, dim_t{1}, dim_t{32}, dim_t{75}, dim_t{200}}) {
        const auto t = quantize_blocks<fixed<8>>(w, rows, cols, {.block = block});
        for (dim_t row = 0; row < rows; ++row) {
            for (dim_t b = 0; b < t.blocks(); ++b) {
                int largest = 0;
                for (dim_t col = b * t.block(); col < std::min(cols, (b + 1) * t.block()); ++col) {
                    const int code = t.values(row)[col];
                    largest = std::max(largest, std::abs(code));
                    const double x = static_cast<double>(w[static_cast<std::size_t>(row * cols + col)]);
                    REQUIRE(std::abs(t.value(row, col) - x) <= 0.5001 * static_cast<double>(t.scale(row, b)));
                }
                REQUIRE(largest == 127);
            }
        }
    }
}

TEST_CASE("sum-zero integer blocks", "[unit]") {
    const dim_t rows = 9, cols = 96;
    auto w = gaussian(rows * cols, 3);
    const auto t =
        quantize_blocks<fixed<4>>(w, rows, cols, {.block = 32, .rule = scale_rule::least_error, .sum_zero = true});
    for (dim_t row = 0; row < rows; ++row) {
        for (dim_t b = 0; b < t.blocks(); ++b) {
            double sum = 0;
            for (dim_t col = b * 32; col < (b + 1) * 32; ++col)
                sum += static_cast<double>(w[static_cast<std::size_t>(row * cols + col)]) - t.value(row, col);
            REQUIRE(std::abs(sum) <= (0.5 + 1e-6) * static_cast<double>(t.scale(row, b)));
        }
    }
}

TEST_CASE("block edge cases", "[unit]") {
    const auto none = quantize_blocks<fixed<8>>({}, 0, 0);
    REQUIRE(none.blocks() == 0);
    REQUIRE(quantize_blocks<fixed<8>>({}, 4, 0).rows() == 4);
    const std::vector<float> zeros(6, 0.0F);
    const auto z = quantize_blocks<fixed<8>>(zeros, 2, 3);
    REQUIRE(z.scale(0, 0) == 0);
    REQUIRE(z.value(1, 2) == 0);
    const std::vector<float> tiny{1e-45F, -1e-45F}; // the scale underflows: a block of zeros
    REQUIRE(quantize_blocks<fixed<8>>(tiny, 1, 2).scale(0, 0) == 0);
    const std::vector<float> huge{3e38F, -3e38F, 1e38F};
    REQUIRE(quantize_blocks<fixed<8>>(huge, 1, 3).values(0)[1] == -127);
    std::vector<float> w(6, 1.0F);
    REQUIRE_THROWS_AS(quantize_blocks<fixed<8>>(w, 2, 4), shape_error);
    REQUIRE_THROWS_AS(quantize_blocks<fixed<8>>(w, 2, 3, {.block = -1}), shape_error);
    w[3] = std::numeric_limits<float>::infinity();
    REQUIRE_THROWS_AS(quantize_blocks<fixed<8>>(w, 2, 3), value_error);
}

} // namespace intaglio
