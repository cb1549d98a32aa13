// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/pooling.hpp"

#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("max pooling takes the largest of each window and sends the gradient to the first of equals", "[unit]") {
    feature_map in({1, 2, 5, 1}), out({1, 1, 2, 1}), d_out({1, 1, 2, 1}), d_in({1, 2, 5, 1});
    const float values[] = {1, 5, 2, 2, 9, 5, 0, 2, 2, 9};
    std::copy(std::begin(values), std::end(values), in.data());
    max_pool pool(2);
    REQUIRE(pool.output_shape(in.shape()) == out.shape()); // the fifth column fills no window
    pool.forward(in, out, {});
    REQUIRE(out.data()[0] == 5);
    REQUIRE(out.data()[1] == 2);
    d_out.data()[0] = 1;
    d_out.data()[1] = 3;
    pool.backward(in, out, d_out, &d_in, {});
    const float expected[] = {0, 1, 3, 0, 0, 0, 0, 0, 0, 0};
    for (dim_t i = 0; i < 10; ++i) REQUIRE(d_in.data()[i] == expected[i]);
}

TEST_CASE("global average", "[unit]") {
    feature_map in({2, 1, 4, 1}), out({2, 1, 1, 1});
    for (dim_t i = 0; i < 8; ++i) in.data()[i] = static_cast<float>(i);
    global_average_pool average;
    average.forward(in, out, {});
    REQUIRE(out.data()[0] == 1.5f);
    REQUIRE(out.data()[1] == 5.5f);
}

TEST_CASE("windows that do not fit are refused", "[unit]") {
    REQUIRE_THROWS_AS(max_pool(0), value_error);
    REQUIRE_THROWS_AS(max_pool(2, 0), value_error);
    REQUIRE_THROWS_AS(max_pool(3).output_shape({1, 2, 8, 1}), shape_error);
    REQUIRE_THROWS_AS(global_average_pool().output_shape({1, 0, 3, 2}), shape_error);
}

} // namespace intaglio::nn
