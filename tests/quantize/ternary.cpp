// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/ternary.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio {
namespace {

/// The least error over all 3^N patterns, each with its least-squares scale.
double brute_force(const std::vector<double>& w) {
    std::size_t patterns = 1;
    for (std::size_t i = 0; i < w.size(); ++i) patterns *= 3;
    double power = 0;
    for (double x : w) power += x * x;
    double best = power;
    for (std::size_t pattern = 0; pattern < patterns; ++pattern) {
        double products = 0, squares = 0;
        std::size_t rest = pattern;
        for (double x : w) {
            const int t = static_cast<int>(rest % 3) - 1;
            rest /= 3;
            products += t * x;
            squares += t * t;
        }
        if (squares > 0 && products > 0) best = std::min(best, power - products * products / squares);
    }
    return best;
}

struct solved {
    ternary_block block;
    std::vector<std::int8_t> trits;
};
solved solve(const std::vector<double>& w) {
    solved s{{}, std::vector<std::int8_t>(w.size(), std::int8_t{9})};
    s.block = ternarize_block(w, s.trits);
    return s;
}

} // namespace

TEST_CASE("the ternary solver equals brute force", "[unit][exact]") {
    for (std::uint64_t trial = 0; trial < 600; ++trial) {
        std::vector<double> w(1 + trial % 8);
        for (std::size_t i = 0; i < w.size(); ++i) {
            const double z = static_cast<double>(random_normal(1, trial, i));
            // Gaussian, heavy tails, ties and zeros
            w[i] = trial % 3 == 0 ? z : trial % 3 == 1 ? z * std::abs(z) * z : std::nearbyint(3 * z);
        }
        const auto s = solve(w);
        REQUIRE(s.block.error == Approx(brute_force(w)).margin(1e-12));
        // The support is what exceeds half the scale.
        for (std::size_t i = 0; i < w.size(); ++i) {
            const bool nonzero = std::abs(w[i]) > s.block.scale / 2;
            REQUIRE((s.trits[i] != 0) == nonzero);
            if (nonzero) REQUIRE(s.trits[i] == (w[i] > 0 ? 1 : -1));
        }
    }
}

TEST_CASE("ternary edge cases", "[unit]") {
    REQUIRE(solve({}).block.scale == 0);

    const auto zeros = solve({0.0, -0.0, 0.0});
    REQUIRE(zeros.block.scale == 0);
    REQUIRE(zeros.block.nonzeros == 0);
    REQUIRE(zeros.block.error == 0);
    REQUIRE(zeros.trits == std::vector<std::int8_t>{0, 0, 0});

    const auto one = solve({-3.0});
    REQUIRE(one.block.scale == 3);
    REQUIRE(one.block.error == 0);
    REQUIRE(one.trits == std::vector<std::int8_t>{-1});

    const auto equal = solve({2.0, -2.0, 2.0, 2.0});
    REQUIRE(equal.block.scale == 2);
    REQUIRE(equal.block.nonzeros == 4);
    REQUIRE(equal.block.error == 0);

    // (1 + s)^2 / 2 = 1 at s = sqrt 2 - 1: just below it one weight is best, just above it two.
    REQUIRE(solve({1.0, 0.4142}).block.nonzeros == 1);
    REQUIRE(solve({1.0, 0.4143}).block.nonzeros == 2);
    // An exact tie, 3^2 / 1 = (3 + 1 + 1 + 1)^2 / 4: the smaller support wins.
    REQUIRE(solve({1.0, 3.0, 1.0, 1.0}).block.nonzeros == 1);

    const auto outlier = solve({1e30, 1e-30, -1e-30});
    REQUIRE(outlier.block.scale == 1e30);
    REQUIRE(outlier.trits == std::vector<std::int8_t>{1, 0, 0});
}

TEST_CASE("one plane removes at least the share 1 / H_N", "[unit]") {
    for (const std::size_t n : {1U, 2U, 4U, 16U, 64U, 100U}) {
        double harmonic = 0;
        for (std::size_t i = 1; i <= n; ++i) harmonic += 1.0 / static_cast<double>(i);
        // |w|_(k) = sqrt(k) - sqrt(k-1) gives the same gain for every k: the bound is attained
        std::vector<double> worst(n);
        for (std::size_t i = 0; i < n; ++i)
            worst[i] = std::sqrt(static_cast<double>(i + 1)) - std::sqrt(static_cast<double>(i));
        for (std::uint64_t trial = 0; trial < 200; ++trial) {
            std::vector<double> w = worst;
            if (trial > 0)
                for (std::size_t i = 0; i < n; ++i)
                    w[i] = std::pow(static_cast<double>(random_normal(2, trial, i)), trial % 2 == 0 ? 1 : 5);
            double power = 0;
            for (double x : w) power += x * x;
            REQUIRE(solve(w).block.error <= power * (1 - 1 / harmonic) * (1 + 1e-12));
        }
    }
}

TEST_CASE("ternary block of the wrong size", "[unit]") {
    std::vector<double> w(3, 1.0);
    std::vector<std::int8_t> trits(2, std::int8_t{9});
    REQUIRE_THROWS_AS(ternarize_block(w, trits), shape_error);
    REQUIRE(trits == std::vector<std::int8_t>{9, 9});
}

} // namespace intaglio
