// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/sensitivity.hpp"

#include <cmath>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("quadrature and product bound", "[unit]") {
    // 33 layers with eps = 0.05, 10 with 0.02: the figures of docs/numerics.md.
    REQUIRE(estimated_perturbation(33 * perturbation_term(1, 0.0025)) == Approx(0.29).epsilon(0.02));
    REQUIRE(estimated_perturbation(10 * perturbation_term(1, 0.0004)) == Approx(0.063).epsilon(0.02));
    const std::vector<double> ones(33, 1.0), errors(33, 0.0025);
    REQUIRE(perturbation_bound(ones, errors) == Approx(4.0).epsilon(0.02));
    REQUIRE(estimated_perturbation(0) == 0);
    REQUIRE_THROWS_AS(perturbation_bound(ones, std::vector<double>{1.0}), shape_error);
}

TEST_CASE("profiles fall in error and rise in bytes", "[unit]") {
    const dim_t rows = 8, cols = 192;
    std::vector<float> w(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = random_normal(5, 1, i);
    for (const auto& profile :
         {profile_locked("conv", w, rows, cols, 1000, {.digits = 5}), profile_residual("conv", w, rows, cols, 1000)}) {
        REQUIRE(profile.weights == 1536);
        REQUIRE(profile.choices.size() >= 4);
        for (std::size_t r = 1; r < profile.choices.size(); ++r) {
            REQUIRE(profile.choices[r].planes == static_cast<int>(r) + 1);
            REQUIRE(profile.choices[r].nmse < profile.choices[r - 1].nmse);
            REQUIRE(profile.choices[r].cost > profile.choices[r - 1].cost);
        }
    }
    REQUIRE(profile_locked("conv", w, rows, cols, 1000).choices[1].cost == 639); // 1536 (3.2 + 1/8) / 8 = 638.4
}

} // namespace intaglio
