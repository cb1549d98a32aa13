// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/report.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"

namespace intaglio {
namespace {
double rounded(double x) { return static_cast<double>(static_cast<long>(x * 100 + 0.5)) / 100; }
} // namespace

TEST_CASE("accounting gives the figures of the paper", "[unit]") {
    REQUIRE(rounded(cost_of_planes(2.4, 64).size_vs_8_8) == 1.57);
    REQUIRE(rounded(cost_of_planes(2.4, 64).multiplications_vs_8_8) == 26.67);
    REQUIRE(rounded(cost_of_planes(2, 64).size_vs_8_8) == 1.88);
    REQUIRE(cost_of_planes(2, 64).multiplications_vs_8_8 == 32);
    REQUIRE(rounded(cost_of_planes(1, 64).size_vs_8_8) == 3.76);
    REQUIRE(cost_of_planes(1, 64).multiplications_vs_8_8 == 64);
    REQUIRE(cost_of_planes(1, 4).size_vs_8_8 == 2);
    REQUIRE(cost_of_planes(1, 4).multiplications_vs_8_8 == 4);
    REQUIRE(cost_of_planes(1, 64).bits_per_weight == 2.125);
    REQUIRE(1 - 1 / cost_of_planes(1, 4).multiplications_vs_8_8 == 0.75);                    // FGQ, N = 4
    REQUIRE(rounded(100 * (1 - 1 / cost_of_planes(1, 64).multiplications_vs_8_8)) == 98.44); // FGQ, N = 64
}

TEST_CASE("accounting of the other codings", "[unit]") {
    REQUIRE(rounded(cost_of_digits(2, 64).size_vs_8_8) == 2.41);
    REQUIRE(rounded(cost_of_digits(3, 64).size_vs_8_8) == 1.62);
    REQUIRE(cost_of_digits(3, 64, trit_coding::two_bits).bits_per_weight == 6.125);
    REQUIRE(rounded(cost_of_blocks(4, 64, 8).size_vs_8_8) == 1.94);
    REQUIRE(cost_of_blocks(4, 32, 32).bits_per_weight == 5);
    REQUIRE(cost_of_blocks(8, 64, 0).size_vs_8_8 == 1);
    REQUIRE(cost_of_planes(2, 64, trit_coding::five_per_byte).bits_per_weight == Approx(3.45));
}

TEST_CASE("layers add up by weights and by multiply-adds", "[unit]") {
    cost_sum sum;
    REQUIRE(sum.total().size_vs_8_8 == 1);
    sum.add(cost_of_planes(1, 64), 1000, 50000);
    sum.add(cost_of_planes(3, 64), 1000, 50000);
    const auto total = sum.total();
    REQUIRE(total.planes == 2);
    REQUIRE(total.bits_per_weight == 4.25);
    REQUIRE(total.size_vs_8_8 == Approx(8 / 4.25));
    REQUIRE(total.multiplications_vs_8_8 == Approx(32));
    cost_sum weighted; // planes in layers with few weights and many multiply-adds cost no bytes
    weighted.add(cost_of_planes(1, 64), 9000, 1000);
    weighted.add(cost_of_planes(3, 64), 1000, 9000);
    REQUIRE(weighted.total().planes == Approx(1.2));
    REQUIRE(weighted.total().multiplications_vs_8_8 == Approx(64 / 2.8));
}

TEST_CASE("a NaN weight does not count as no error", "[unit]") {
    const float weights[] = {1, std::numeric_limits<float>::quiet_NaN()}, zeros[] = {0, 0};
    const auto none = [](dim_t, dim_t) { return 0.0; };
    REQUIRE(std::isnan(nmse_of(weights, 1, 2, none)));
    REQUIRE(nmse_of(zeros, 1, 2, none) == 0);
}

} // namespace intaglio
