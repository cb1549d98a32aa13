// SPDX-License-Identifier: Apache-2.0

#include <limits>

#include "intaglio/core/extents.hpp"
#include "support/catch.hpp"

using namespace intaglio;

TEST_CASE("a product of sizes is exact, or an exception", "[unit][core]") {
    constexpr intaglio::dim_t largest = std::numeric_limits<intaglio::dim_t>::max();
    CHECK(checked_product({}) == 1);
    CHECK(checked_product({7}) == 7);
    CHECK(checked_product({8, 56, 56, 64}) == 1605632);
    CHECK(checked_product({largest}) == largest);
    CHECK(checked_product({largest, 1, 1}) == largest);
    CHECK(checked_product({intaglio::dim_t{1} << 31, intaglio::dim_t{1} << 31}) == intaglio::dim_t{1} << 62);
    CHECK(checked_product({largest, largest, 0}) == 0);
    CHECK_THROWS_AS(checked_product({largest, 2}), shape_error);
    CHECK_THROWS_AS(checked_product({intaglio::dim_t{1} << 32, intaglio::dim_t{1} << 31}), shape_error);
    CHECK_THROWS_AS(checked_product({0, -1}), shape_error);
    CHECK_THROWS_WITH(checked_product({3, -1, 2}), "negative size in 3 x -1 x 2");
}

TEST_CASE("extents keep up to five sizes and their product", "[unit][core]") {
    const extents none;
    CHECK(none.rank() == 0);
    CHECK(none.size() == 1);
    CHECK(none.to_string() == "scalar");

    const extents image{8, 56, 56, 64};
    CHECK(image.rank() == 4);
    CHECK(image[0] == 8);
    CHECK(image[3] == 64);
    CHECK(image.size() == 1605632);
    CHECK(image.to_string() == "8 x 56 x 56 x 64");
    CHECK(image == extents{8, 56, 56, 64});
    CHECK_FALSE(image == extents{8, 56, 64, 56});
    CHECK_FALSE(extents{1} == extents{1, 1});
    CHECK(extents{3, 0, 5}.size() == 0);
    CHECK(extents{1, 2, 3, 4, 5}.size() == 120);

    CHECK_THROWS_AS((extents{1, 2, 3, 4, 5, 6}), shape_error);
    CHECK_THROWS_AS((extents{2, -2}), shape_error);
    CHECK_THROWS_AS((extents{intaglio::dim_t{1} << 40, intaglio::dim_t{1} << 40}), shape_error);
}
