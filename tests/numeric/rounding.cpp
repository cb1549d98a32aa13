// SPDX-License-Identifier: Apache-2.0
#include "intaglio/numeric/rounding.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "support/catch.hpp"

namespace intaglio {
namespace {

static_assert(round_nearest_even(0.5) == 0);
static_assert(round_nearest_even(1.5) == 2);
static_assert(round_nearest_even(2.5) == 2);
static_assert(round_nearest_even(-0.5) == 0);
static_assert(round_nearest_even(-1.5) == -2);
static_assert(round_nearest_even(-2.5) == -2);
static_assert(round_nearest_even(0x1p53) == std::int64_t{1} << 53);

TEST_CASE("round_nearest_even is the processor's rounding", "[unit][exact]") {
    for (int i = -4000; i <= 4000; ++i) {
        const double x = i / 16.0;
        REQUIRE(static_cast<double>(round_nearest_even(x)) == std::nearbyint(x));
        const double above = std::nextafter(x, 1e9), below = std::nextafter(x, -1e9);
        REQUIRE(static_cast<double>(round_nearest_even(above)) == std::nearbyint(above));
        REQUIRE(static_cast<double>(round_nearest_even(below)) == std::nearbyint(below));
    }
}

TEST_CASE("round_float is round_nearest_even for every magnitude", "[unit][exact]") {
    for (std::uint64_t i = 0; i < 200000; ++i) {
        const float x = std::ldexp(random_uniform(1, 2, i) * 2 - 1, static_cast<int>(i % 40) - 5);
        REQUIRE(round_float(x) == static_cast<float>(round_nearest_even(static_cast<double>(x))));
    }
    for (const float x : {0.0F, 0.5F, 1.5F, 2.5F, 0x1p22F + 0.5F, 0x1p22F + 1.5F, 0x1p23F - 0.5F, 0x1p23F, 0x1p23F + 1,
                          0x1p24F, 0x1p40F}) {
        REQUIRE(round_float(x) == static_cast<float>(round_nearest_even(static_cast<double>(x))));
        REQUIRE(round_float(-x) == -round_float(x));
    }
}

TEST_CASE("saturation", "[unit]") {
    const nearest_even rule;
    REQUIRE(round_saturated(32767.4, -32767, 32767, rule, 0) == 32767);
    REQUIRE(round_saturated(32767.5, -32767, 32767, rule, 0) == 32767);
    REQUIRE(round_saturated(-1e30, -32767, 32767, rule, 0) == -32767);
    REQUIRE(round_saturated(std::numeric_limits<double>::infinity(), -32767, 32767, rule, 0) == 32767);
    REQUIRE(round_saturated(std::numeric_limits<double>::quiet_NaN(), -32767, 32767, rule, 0) == -32767);
    const stochastic random{1, 2};
    for (dim_t i = 0; i < 1000; ++i) {
        REQUIRE(round_saturated(32766.99, -32767, 32767, random, i) <= 32767);
        REQUIRE(round_saturated(1e9, -32767, 32767, random, i) == 32767);
        REQUIRE(round_saturated(-1e9, -32767, 32767, random, i) == -32767);
    }
}

/// Over every `stride`-th place, as a channel's pixels are.
template <Rounding Rule>
void check_unbiased(const Rule& rule, dim_t stride, double residue) {
    const int count = 200000;
    for (const double x : {0.25, 0.5, 0.999, -0.25, -0.75, 3.1, -1234.0625, 0.001, -0.001}) {
        double sum = 0;
        bool near = true;
        for (dim_t i = 0; i < count; ++i) {
            const auto r = static_cast<double>(rule(x, 5 + i * stride));
            near = near && std::abs(r - x) < 1;
            sum += r;
        }
        REQUIRE(near);
        const double p = x - std::floor(x);
        REQUIRE(std::abs(sum / count - x) < 5 * std::sqrt(p * (1 - p) / count) + residue);
    }
    for (dim_t i = 0; i < 1000; ++i) {
        REQUIRE(rule(0.0, i) == 0);
        REQUIRE(rule(17.0, i) == 17);
        REQUIRE(rule(-17.0, i) == -17);
    }
}

TEST_CASE("random rounding is unbiased, and leaves integers alone", "[unit]") {
    check_unbiased(stochastic{42, 7}, 1, 0x1p-17);
    for (const dim_t stride : {1, 3, 16, 64, 144, 256, 377, 1000, 4096})
        for (const std::uint32_t key : {0U, 1U, 0xDEAD'BEEFU}) check_unbiased(dithered{key}, stride, 0x1p-16);
}

TEST_CASE("neighbours are not rounded alike", "[unit]") { // along channels, rows and steps: correlation of the bits
    const auto bits = [](std::uint32_t key, dim_t i) {
        return static_cast<double>(hash_bits16(key, static_cast<std::uint32_t>(i))) - 32767.5;
    };
    const int count = 100000;
    for (const dim_t stride : {1, 3, 16, 64, 144, 256, 377, 1000, 4096})
        for (const dim_t apart : {1, 2, 7, 14, 28}) {
            double sum = 0, square = 0;
            for (dim_t i = 0; i < count; ++i) {
                sum += bits(3, i * stride) * bits(3, (i + apart) * stride);
                square += bits(3, i * stride) * bits(3, i * stride);
            }
            REQUIRE(std::abs(sum / square) < 0.03);
        }
}

TEST_CASE("stochastic rounding is unbiased over all of its random bits", "[unit][exact]") {
    // Instead of a sample: the mean over every value of r, for steps of 1/256.
    for (int i = -512; i <= 512; ++i) {
        const std::int64_t n = round_nearest_even(i / 256.0 * 65536);
        std::int64_t sum = 0;
        for (std::int64_t r = 0; r < 65536; ++r) sum += (n + r) >> 16;
        REQUIRE(sum == n); // 65536 times the mean is 65536 x
    }
}

} // namespace
} // namespace intaglio
