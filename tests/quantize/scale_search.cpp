// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/scale_search.hpp"

#include <cmath>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "intaglio/numeric/rounding.hpp"
#include "intaglio/quantize/ternary.hpp"
#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("nearest_code is round_saturated", "[unit][exact]") {
    for (int i = -4000; i <= 4000; ++i) {
        const double x = i / 64.0;
        REQUIRE(detail::nearest_code(x, 40) == static_cast<double>(round_saturated(x, -40, 40, nearest_even{}, 0)));
    }
    REQUIRE(detail::nearest_code(1e300, 1e9) == 1e9);
    REQUIRE(detail::nearest_code(-0.5, 4) == 0);
}

TEST_CASE("the search finds nearly the least error", "[unit]") {
    for (const double limit : {1.0, 4.0, 7.0, 13.0, 121.0}) {
        double found = 0, exhaustive = 0;
        for (std::uint64_t trial = 0; trial < 50; ++trial) {
            std::vector<double> w(64);
            double largest = 0;
            for (std::size_t i = 0; i < w.size(); ++i) {
                w[i] = static_cast<double>(random_normal(4, trial, i));
                if (trial % 2 == 1) w[i] *= std::abs(w[i]);
                largest = std::max(largest, std::abs(w[i]));
            }
            const double s = detail::best_scale(w, limit);
            double least = detail::error_of_scale(w, s, limit);
            found += least;
            for (int i = 1; i <= 4000; ++i)
                least = std::min(least, detail::error_of_scale(w, 1.05 * largest * i / 4000, limit));
            exhaustive += least;
        }
        INFO("limit " << limit);
        REQUIRE(found <= exhaustive * 1.03);
    }
}

TEST_CASE("blocks of zeros, of one weight, of codes", "[unit]") {
    REQUIRE(detail::best_scale(std::vector<double>{}, 4) == 0);
    REQUIRE(detail::best_scale(std::vector<double>{0, 0}, 4) == 0);
    for (const double x : {1e-300, 1.0, 1e300}) {
        const std::vector<double> one{x};
        REQUIRE(detail::error_of_scale(one, detail::best_scale(one, 4), 4) <= 1e-20 * x * x);
    }
    const std::vector<double> codes{3, -1, 2, 0, 4};
    REQUIRE(detail::best_scale(codes, 4) == Approx(1));
}

} // namespace intaglio
