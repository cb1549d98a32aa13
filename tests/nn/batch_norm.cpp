// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/batch_norm.hpp"

#include <cmath>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("training normalises each channel and moves the running statistics", "[unit]") {
    batch_norm norm("norm", 3);
    feature_map in({8, 4, 4, 3}), out({8, 4, 4, 3});
    for (dim_t i = 0; i < in.size(); ++i)
        in.data()[i] = static_cast<float>(i % 3) * 10 + 4 * random_normal(3, 1, static_cast<std::uint64_t>(i));
    norm.forward(in, out, {.training = true});
    for (dim_t c = 0; c < 3; ++c) {
        double sum = 0, squares = 0, mean = 0;
        for (dim_t r = 0; r < in.pixels(); ++r) {
            const auto v = static_cast<double>(out.data()[r * 3 + c]);
            sum += v;
            squares += v * v;
            mean += static_cast<double>(in.data()[r * 3 + c]) / static_cast<double>(in.pixels());
        }
        REQUIRE(sum / static_cast<double>(in.pixels()) == Approx(0).margin(1e-5));
        REQUIRE(squares / static_cast<double>(in.pixels()) == Approx(1).epsilon(1e-4));
        REQUIRE(static_cast<double>(norm.running_mean()[c]) == Approx(0.1 * mean).epsilon(1e-4));
        REQUIRE(norm.running_variance()[c] > 1.0f); // 0.9 + 0.1 * 16
    }
}

TEST_CASE("inference uses the running statistics", "[unit]") {
    batch_norm norm("norm", 1);
    *norm.parameters()[0]->value.data() = 2;   // scale
    *norm.parameters()[1]->value.data() = 0.5; // shift
    *norm.parameters()[2]->value.data() = 3;   // mean
    *norm.parameters()[3]->value.data() = 4;   // variance
    feature_map in({1, 1, 1, 1}), out({1, 1, 1, 1});
    in.data()[0] = 7;
    norm.forward(in, out, {});
    REQUIRE(static_cast<double>(out.data()[0]) == Approx(2 * (7.0 - 3) / std::sqrt(4.00001) + 0.5));
}

TEST_CASE("statistics of one pixel are refused", "[unit]") {
    batch_norm norm("norm", 2);
    feature_map in({1, 1, 1, 2}), out({1, 1, 1, 2});
    REQUIRE_THROWS_AS(norm.forward(in, out, {.training = true}), value_error);
    REQUIRE_THROWS_AS(norm.output_shape({1, 1, 1, 3}), shape_error);
}

} // namespace intaglio::nn
