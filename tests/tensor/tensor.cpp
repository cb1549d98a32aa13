// SPDX-License-Identifier: Apache-2.0
#include "intaglio/tensor/tensor.hpp"

#include <vector>

#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("a tensor owns its elements, zero-filled", "[unit]") {
    tensor<float> none;
    REQUIRE(none.size() == 0);
    REQUIRE(none.shape() == extents{0});
    tensor<float> t({2, 3, 4});
    REQUIRE(t.size() == 24);
    for (const float x : t) REQUIRE(x == 0);
    t[5] = 7;
    tensor<float> copy = t;
    copy[5] = 8;
    REQUIRE(t[5] == 7);
    const tensor<float> moved = std::move(copy);
    REQUIRE(moved[5] == 8);
    REQUIRE(moved.shape() == extents{2, 3, 4});
    REQUIRE(tensor<int>({2, 0, 4}).empty());
}

TEST_CASE("a tensor as a matrix, and reshaped", "[unit]") {
    const std::vector<int> values{1, 2, 3, 4, 5, 6};
    tensor<int> t({1, 2, 3}, values);
    const auto m = t.matrix(2, 3);
    REQUIRE(m(1, 0) == 4);
    REQUIRE(m.transposed()(2, 1) == 6);
    REQUIRE_THROWS_AS(t.matrix(2, 2), shape_error);
    REQUIRE_THROWS_AS(t.matrix(-2, -3), shape_error);
    REQUIRE_THROWS_AS(t.reshape({7}), shape_error);
    REQUIRE(t.shape() == extents{1, 2, 3});
    t.reshape({6});
    REQUIRE(t.shape() == extents{6});
    REQUIRE_THROWS_AS(tensor<int>({2, 2}, values), shape_error);
}

} // namespace intaglio
