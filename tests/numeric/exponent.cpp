// SPDX-License-Identifier: Apache-2.0
#include "intaglio/numeric/exponent.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "support/catch.hpp"

namespace intaglio {
namespace {

static_assert(exponent_of(1.0F) == 0);
static_assert(exponent_of(-1.9999F) == 0);
static_assert(exponent_of(0.5F) == -1);
static_assert(power_of_two(-180) * power_of_two(180) == 1);

TEST_CASE("exponent_of is floor(log2) over the whole range", "[unit][exact]") {
    for (int e = -149; e <= 127; ++e) {
        const float x = std::ldexp(1.0F, e);
        REQUIRE(exponent_of(x) == e);
        REQUIRE(exponent_of(-x) == e);
        if (e > -149) REQUIRE(exponent_of(std::nextafter(x, 0.0F)) == e - 1);
        REQUIRE(power_of_two(e) == static_cast<double>(x));
        if (e >= -126) REQUIRE(float_power_of_two(e) == x);
    }
    REQUIRE(exponent_of(std::numeric_limits<float>::max()) == 127);
    REQUIRE(exponent_of(std::numeric_limits<float>::denorm_min()) == -149);
}

TEST_CASE("magnitude bits order finite numbers, infinity and NaN", "[unit]") {
    using limits = std::numeric_limits<float>;
    REQUIRE(magnitude_bits(-0.0F) == 0);
    REQUIRE(magnitude_bits(-2.0F) > magnitude_bits(1.9F));
    REQUIRE(magnitude_bits(-limits::infinity()) == float_infinity_bits);
    REQUIRE(magnitude_bits(limits::quiet_NaN()) > float_infinity_bits);
    REQUIRE(is_finite(limits::max()));
    REQUIRE(is_finite(limits::denorm_min()));
    REQUIRE_FALSE(is_finite(limits::infinity()));
    REQUIRE_FALSE(is_finite(limits::quiet_NaN()));
    float values[37] = {};
    REQUIRE(largest_magnitude_bits(values, 0) == 0);
    for (int i = 0; i < 37; ++i) {
        values[i] = -limits::max();
        REQUIRE(all_finite(values, 37));
        for (const float x : {-limits::infinity(), limits::quiet_NaN(), -limits::signaling_NaN()}) {
            values[i] = x;
            REQUIRE(all_finite(values, i));
            REQUIRE_FALSE(all_finite(values, i + 1));
            REQUIRE_FALSE(all_finite(values, 37));
        }
        values[i] = 0;
    }
}

TEST_CASE("every NaN has one canonical form", "[unit]") {
    for (const std::uint32_t bits : {0x7fc0'0000U, 0xffc0'0000U, 0x7f80'0001U, 0xffff'ffffU, 0x7fc1'2345U})
        REQUIRE(std::bit_cast<std::uint32_t>(canonical(std::bit_cast<float>(bits))) == 0x7fc0'0000U);
    for (const std::uint32_t bits : {0U, 0x8000'0000U, 0x7f80'0000U, 0xff80'0000U, 1U, 0x3f80'0000U})
        REQUIRE(std::bit_cast<std::uint32_t>(canonical(std::bit_cast<float>(bits))) == bits);
}

} // namespace
} // namespace intaglio
