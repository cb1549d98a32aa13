// SPDX-License-Identifier: Apache-2.0
#include "intaglio/numeric/random.hpp"

#include <array>
#include <cmath>
#include <cstdint>

#include "support/catch.hpp"

namespace intaglio {
namespace {
using words = std::array<std::uint32_t, 4>;

// The known answers of the generator's authors (Random123, kat_vectors: philox4x32 10).
static_assert(philox({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST_CASE("sixteen-bit numbers are the halves of a block's words", "[unit][exact]") {
    for (std::uint64_t i = 0; i < 64; ++i) {
        const words w = random_words(7, 11, i / 8);
        REQUIRE(random_bits16(7, 11, i) == ((w[(i % 8) / 2] >> (i % 2 == 0 ? 0 : 16)) & 0xffffU));
    }
}

TEST_CASE("seeds and streams give different numbers", "[unit]") {
    REQUIRE(random_bits(1, 0, 0) != random_bits(0, 0, 0));
    REQUIRE(random_bits(0, 1, 0) != random_bits(0, 0, 0));
    REQUIRE(random_bits(0, 0, 1) != random_bits(0, 0, 0));
    REQUIRE(random_bits(0, 0, std::uint64_t{1} << 32) != random_bits(0, 0, 0));
    REQUIRE(random_bits(std::uint64_t{1} << 32, 0, 0) != random_bits(0, 0, 0));
}

TEST_CASE("uniform and normal numbers have their moments", "[unit]") {
    const int count = 100000;
    double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0;
    for (int i = 0; i < count; ++i) {
        const double u = random_uniform(3, 5, static_cast<std::uint64_t>(i));
        REQUIRE((u >= 0 && u < 1));
        sum += u;
        squares += u * u;
        const double z = random_normal(3, 6, static_cast<std::uint64_t>(i));
        normal_sum += z;
        normal_squares += z * z;
    }
    // Five standard deviations of each estimate.
    REQUIRE(std::abs(sum / count - 0.5) < 5 * 0.2887 / std::sqrt(count));
    REQUIRE(std::abs(squares / count - 1.0 / 3) < 5 * 0.298 / std::sqrt(count));
    REQUIRE(std::abs(normal_sum / count) < 5 / std::sqrt(count));
    REQUIRE(std::abs(normal_squares / count - 1) < 5 * 1.414 / std::sqrt(count));
}

TEST_CASE("random_below stays below", "[unit]") {
    std::array<int, 7> seen{};
    for (std::uint64_t i = 0; i < 7000; ++i) {
        const auto r = random_below(7, 1, 2, i);
        REQUIRE(r < 7);
        ++seen[r];
    }
    for (int count : seen) REQUIRE((count > 850 && count < 1150));
    REQUIRE(random_below(1, 1, 2, 3) == 0);
}

} // namespace
} // namespace intaglio
