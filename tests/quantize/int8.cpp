// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/int8.hpp"

#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("8-bit weights have a scale for each row", "[unit]") {
    const std::vector<float> w{1.0F, -0.5F, 0.25F, 100.0F, 50.0F, -100.0F};
    const auto q = quantize_int8_rows(w, 2, 3);
    REQUIRE(q.scale(0, 0) == Approx(1.0 / 127));
    REQUIRE(q.scale(1, 0) == Approx(100.0 / 127));
    REQUIRE(q.values(0)[0] == 127);
    REQUIRE(q.values(0)[1] == -64); // -63.5 to even, as 1/127 rounds down to float
    REQUIRE(q.values(1)[2] == -127);
}

TEST_CASE("activation codes are requantize, element by element", "[unit][exact]") {
    thread_pool pool(3);
    std::vector<float> x(70003);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 3 * random_normal(1, 1, i);
    x[5] = std::numeric_limits<float>::infinity();
    x[6] = std::numeric_limits<float>::quiet_NaN();
    const auto u = scale_for_range<unsigned_fixed<8>>(6.0F);
    const auto s = scale_for_range<fixed<8>>(6.0F);
    std::vector<std::uint8_t> unsigned_codes(x.size());
    std::vector<std::int8_t> signed_codes(x.size());
    quantize_linear<unsigned_fixed<8>>(x, unsigned_codes, u.inverse, pool);
    quantize_linear<fixed<8>>(x, signed_codes, s.inverse, pool);
    for (std::size_t i = 0; i < x.size(); ++i) {
        REQUIRE(unsigned_codes[i] == requantize<unsigned_fixed<8>>(x[i], u.inverse));
        REQUIRE(signed_codes[i] == requantize<fixed<8>>(x[i], s.inverse));
    }
    REQUIRE(unsigned_codes[5] == 255);
    REQUIRE(unsigned_codes[6] == 0);
}

TEST_CASE("activation ranges", "[unit]") {
    const auto s = scale_for_range<unsigned_fixed<8>>(2.0F);
    REQUIRE(s.scale * 255 == Approx(2.0));
    REQUIRE(requantize<unsigned_fixed<8>>(2.0F, s.inverse) == 255);
    REQUIRE(scale_for_range<fixed<8>>(0.0F).scale == 1);
    REQUIRE(scale_for_range<fixed<8>>(1e-45F).inverse < std::numeric_limits<float>::infinity());
    REQUIRE_THROWS_AS(scale_for_range<fixed<8>>(-1.0F), value_error);
    REQUIRE_THROWS_AS(scale_for_range<fixed<8>>(std::numeric_limits<float>::infinity()), value_error);
    REQUIRE_THROWS_AS(scale_for_range<fixed<8>>(std::numeric_limits<float>::quiet_NaN()), value_error);
    const std::vector<float> x(3);
    std::vector<std::uint8_t> codes(2);
    REQUIRE_THROWS_AS(quantize_linear<unsigned_fixed<8>>(x, codes, 1.0F), shape_error);
}

} // namespace intaglio
