// SPDX-License-Identifier: Apache-2.0
#include "intaglio/numeric/rescale.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "support/catch.hpp"

namespace intaglio {
namespace {

static_assert(shift_right_nearest_even(5, 1) == 2);
static_assert(shift_right_nearest_even(7, 1) == 4);
static_assert(shift_right_nearest_even(-5, 1) == -2);
static_assert(shift_right_nearest_even(-7, 1) == -4);
static_assert(shift_right_nearest_even(-7, 0) == -7);

TEST_CASE("shift_right_nearest_even divides by a power of two", "[unit][exact]") {
    for (std::int64_t v = -300; v <= 300; ++v) {
        for (int shift = 0; shift <= 10; ++shift)
            REQUIRE(shift_right_nearest_even(v, shift) ==
                    round_nearest_even(static_cast<double>(v) / static_cast<double>(1 << shift)));
    }
}

TEST_CASE("the value of a total is rounded once, and has one zero and one NaN for float totals", "[unit]") {
    const auto bits = [](float v) { return std::bit_cast<std::uint32_t>(v); };
    constexpr double inf = std::numeric_limits<double>::infinity();
    REQUIRE(output_value(std::int32_t{16777217}, 0.5) == 8388608.5F);
    REQUIRE(output_value(std::int64_t{1} << 50, 0x1p-50) == 1);
    REQUIRE(bits(output_value(-0.0F, 1.0)) == bits(0.0F));
    REQUIRE(bits(output_value(-0.0F, -1.0)) == bits(-0.0F)); // 0 * -1
    REQUIRE(bits(output_value(-1e-40F, 1e-30)) == bits(-0.0F));
    REQUIRE(bits(output_value(std::int32_t{0}, -1.0)) == bits(-0.0F));
    REQUIRE(bits(output_value(std::int32_t{0}, inf)) == bits(canonical_nan));
    REQUIRE(bits(output_value(std::numeric_limits<float>::infinity(), 0.0)) == bits(canonical_nan));
    REQUIRE(bits(output_value(-canonical_nan, 1.0)) == bits(canonical_nan));
    REQUIRE(output_value(1.0F, -inf) == -std::numeric_limits<float>::infinity());
}

TEST_CASE("requantize saturates to the format's range", "[unit]") {
    using u8 = unsigned_fixed<8>;
    REQUIRE(requantize<u8>(1.0F, 255.0F) == 255);
    REQUIRE(requantize<u8>(1.1F, 255.0F) == 255);
    REQUIRE(requantize<u8>(-0.1F, 255.0F) == 0);
    REQUIRE(requantize<u8>(2.5F, 1.0F) == 2);
    REQUIRE(requantize<u8>(3.5F, 1.0F) == 4);
    REQUIRE(requantize<fixed<8>>(-1000.0F, 1.0F) == -127);
    REQUIRE(requantize<fixed<8>>(1000.0F, 1.0F) == 127);
    REQUIRE(requantize<fixed<16>>(-40000.0F, 1.0F) == -32767);
    REQUIRE(requantize<fixed<8>>(std::numeric_limits<float>::infinity(), 1.0F) == 127);
    REQUIRE(requantize<fixed<8>>(std::numeric_limits<float>::quiet_NaN(), 1.0F) == -127);
}

TEST_CASE("factors of int32 totals have 22 bits, so that their products are exact in double", "[unit]") {
    REQUIRE(output_factor<std::int32_t>(0.75) == 0.75);
    REQUIRE(output_factor<std::int32_t>(0x1.000007fp0) == 0x1.000008p0);
    REQUIRE(output_factor<std::int32_t>(0x1.000004p0) == 0x1p0); // ties to even
    REQUIRE(output_factor<std::int32_t>(-0x1.00000cp0) == -0x1.00001p0);
    REQUIRE(output_factor<std::int32_t>(0x1.fffffep0) == 0x1p1);
    REQUIRE(output_factor<std::int32_t>(0x1.23456789p-130) == 0x1.23456789p-130); // not a normal float: as it is
    REQUIRE(output_factor<std::int64_t>(0x1.23456789p0) == static_cast<double>(0x1.23456789p0F));
    REQUIRE(output_factor<float>(0.1) == static_cast<double>(0.1F));
    for (const double scales : {0.1, 0.37 * 0.0291, 1.0 / 3, 255.0 / 127, 1e-6}) {
        const double f = output_factor<std::int32_t>(scales);
        REQUIRE(std::fabs(f - scales) <= scales * 0x1p-22);
        // times an integer of 22 bits: 53 bits at most
        for (const std::int64_t t : {2147483647, 2147483646, -2147483647, 67108863, 1234567891})
            REQUIRE(static_cast<long double>(f) * static_cast<long double>(t) ==
                    static_cast<long double>(f * static_cast<double>(t)));
    }
}

TEST_CASE("to_real is exact where the result is a float", "[unit]") {
    REQUIRE(to_real(0, 0.25) == 0.0F);
    REQUIRE(to_real(3, 0x1p-30) == 3 * 0x1p-30F);
    REQUIRE(to_real((std::int64_t{1} << 51) + 1, 0x1p-51) == 1.0F);
    REQUIRE(to_real(std::int64_t{-1} << 40, 0x1p-149) == -0x1p-109F);
}

} // namespace
} // namespace intaglio
