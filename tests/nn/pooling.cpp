// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/pooling.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "support/catch.hpp"
#include "support/golden.hpp"

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

TEST_CASE("max pooling keeps NaN, wherever it is in the window, and sends it the gradient", "[unit]") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    constexpr dim_t channels = 9; // vector code and its rest
    for (dim_t first = 0; first < 4; ++first)
        for (dim_t second = first; second < 4; ++second) {
            CAPTURE(first, second);
            feature_map in({1, 2, 2, channels}), out({1, 1, 1, channels}), d_out(out.shape()), d_in(in.shape());
            for (dim_t i = 0; i < in.size(); ++i) in.data()[i] = i % 2 == 0 ? infinity : -infinity;
            for (dim_t c = 1; c < channels; c += 2)
                in.data()[first * channels + c] = in.data()[second * channels + c] = nan;
            for (dim_t c = 0; c < channels; ++c) d_out.data()[c] = static_cast<float>(c + 1);
            max_pool pool(2);
            pool.forward(in, out, {});
            pool.backward(in, out, d_out, &d_in, {});
            for (dim_t c = 0; c < channels; ++c) {
                REQUIRE(std::isnan(out.data()[c]) == (c % 2 == 1));
                float sum = 0;
                for (dim_t at = 0; at < 4; ++at) sum += d_in.data()[at * channels + c];
                REQUIRE(sum == d_out.data()[c]); // to one pixel, whole
                if (c % 2 == 1) REQUIRE(d_in.data()[second * channels + c] == d_out.data()[c]);
            }
        }
}

TEST_CASE("an infinite gradient goes to the first of equals alone", "[unit]") {
    feature_map in({1, 2, 2, 1}), out({1, 1, 1, 1}), d_out(out.shape()), d_in(in.shape());
    d_out.data()[0] = std::numeric_limits<float>::infinity();
    max_pool pool(2);
    pool.forward(in, out, {});
    pool.backward(in, out, d_out, &d_in, {});
    REQUIRE(std::isinf(d_in.data()[0]));
    for (dim_t i = 1; i < 4; ++i) REQUIRE(d_in.data()[i] == 0);
}

TEST_CASE("max pooling has PyTorch's outputs with NaN, infinity and -0", "[golden]") {
    feature_map in({1, 6, 6, 2}), out({1, 2, 2, 2});
    for (dim_t c = 0; c < 2; ++c)
        for (dim_t i = 0; i < 36; ++i)
            in.data()[i * 2 + c] = golden_uniform(12, static_cast<std::uint64_t>(c * 36 + i));
    in.data()[7 * 2] = std::numeric_limits<float>::quiet_NaN();
    in.data()[26 * 2] = std::numeric_limits<float>::infinity();
    in.data()[1] = -0.0f;
    max_pool pool(3, 2);
    pool.forward(in, out, {});
    REQUIRE(std::isnan(out.data()[0]));
    REQUIRE(out.data()[2] == 0.48561656475067139f);
    REQUIRE(std::isinf(out.data()[4]));
    REQUIRE(std::isinf(out.data()[6]));
    REQUIRE(out.data()[1] == 0.89919555187225342f);
    REQUIRE(out.data()[3] == 0.93936741352081299f);
    REQUIRE(out.data()[5] == 0.89919555187225342f);
    REQUIRE(out.data()[7] == 0.89919555187225342f);
}

TEST_CASE("averages of many pixels are exact to the last bit", "[unit]") {
    const auto average_of = [](dim_t batch, dim_t side, dim_t channels, float value, executor_ref exec) {
        feature_map in({batch, side, side, channels}), out({batch, 1, 1, channels});
        for (float& v : in.values()) v = value;
        global_average_pool average;
        average.forward(in, out, {.exec = exec});
        for (dim_t i = 1; i < out.size(); ++i) REQUIRE(out.data()[i] == out.data()[0]);
        return out.data()[0];
    };
    thread_pool pool(3);
    REQUIRE(average_of(1, 4200, 1, 1.0f, {}) == 1.0f); // more than 2^24: a float sum stops there
    REQUIRE(average_of(1, 512, 1, 0.1f, {}) == 0.1f);
    REQUIRE(average_of(2, 512, 3, 0.1f, pool) == 0.1f);
    REQUIRE(average_of(3, 7, 5, 0.1f, pool) == 0.1f);
}

TEST_CASE("the gradient of an average is the share of each pixel", "[unit]") {
    feature_map in({2, 3, 7, 2}), out({2, 1, 1, 2}), d_out(out.shape()), d_in(in.shape());
    for (dim_t i = 0; i < 4; ++i) d_out.data()[i] = static_cast<float>(i + 1);
    global_average_pool average;
    average.backward(in, out, d_out, &d_in, {});
    for (dim_t i = 0; i < in.size(); ++i)
        REQUIRE(d_in.data()[i] == static_cast<float>(static_cast<double>(i / 42 * 2 + i % 2 + 1) / 21));
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
