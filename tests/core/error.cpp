// SPDX-License-Identifier: Apache-2.0

#include <string>
#include <string_view>

#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "support/catch.hpp"

using namespace intaglio;

TEST_CASE("join writes every kind of part", "[unit][core]") {
    CHECK(join() == "");
    CHECK(join("m ", 3, ", k ", intaglio::dim_t{-4}, ", ", std::size_t{18446744073709551615U}) ==
          "m 3, k -4, 18446744073709551615");
    CHECK(join(0.1F, ' ', 0.1, ' ', 1e300, ' ', -0.0F) == "0.1 0.1 1e+300 -0");
    CHECK(join(std::string("a"), std::string_view("b"), 'c', true) == "abctrue");
    CHECK(join("x: ", extents{2, 3}) == "x: 2 x 3");
}

TEST_CASE("fail and require throw the type asked for with the joined text", "[unit][core]") {
    CHECK_NOTHROW(require(true, "never"));
    CHECK_THROWS_AS(require(false, "shapes"), shape_error);
    CHECK_THROWS_AS(require<value_error>(false, "value"), value_error);
    CHECK_THROWS_AS(fail<file_error>("file"), file_error);
    try {
        require(2 == 3, "lhs has ", 2, " columns, rhs has ", 3, " rows");
        FAIL("nothing was thrown");
    } catch (const std::runtime_error& e) { // the common base, also across arches
        CHECK(std::string(e.what()) == "lhs has 2 columns, rhs has 3 rows");
    }
}
