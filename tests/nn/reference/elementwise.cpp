// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/reference/elementwise.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/nn/reference/pooling.hpp"
#include "support/catch.hpp"

namespace intaglio::nn::reference {

TEST_CASE("ReLU passes NaN and infinity as PyTorch does", "[unit]") {
    constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN(),
                    least = std::numeric_limits<float>::denorm_min();
    const float values[] = {nan, infinity, 0.0f, -1, -infinity, 2, least, -least};
    const float expected[] = {nan, infinity, 0.0f, 0.0f, 0.0f, 2, least, 0.0f};
    const float passed[] = {1, 1, 0, 0, 0, 1, 1, 0};
    constexpr dim_t count = std::size(values);
    std::vector<float> out(count), d_in(count);
    const std::vector<float> d_out(count, 3.0f);
    relu(values, count, out.data());
    relu_gradient(out.data(), d_out.data(), count, d_in.data());
    REQUIRE(std::isnan(out[0]));
    for (std::size_t i = 0; i < out.size(); ++i) {
        CAPTURE(i);
        if (i > 0) REQUIRE(out[i] == expected[i]);
        REQUIRE(d_in[i] == 3 * passed[i]);
    }
}

TEST_CASE("a maximum is NaN if there is one in its window, and sends the last one the gradient", "[unit]") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    const op::max_pool pool{.kernel = 2, .stride = 2};
    for (std::size_t first = 0; first < 4; ++first)
        for (std::size_t second = first; second < 4; ++second) {
            std::vector<float> in{1, 2, 3, 4}, d_in(4);
            in[first] = in[second] = nan;
            float out = 0;
            const float d_out = 5;
            max_pool(pool, in.data(), {1, 2, 2, 1}, &out, {1, 1, 1, 1});
            REQUIRE(std::isnan(out));
            max_pool_gradient(pool, in.data(), {1, 2, 2, 1}, &d_out, {1, 1, 1, 1}, d_in.data());
            for (std::size_t i = 0; i < 4; ++i) REQUIRE(d_in[i] == (i == second ? 5.0f : 0.0f));
        }
}

TEST_CASE("an average of many pixels is exact", "[unit]") {
    constexpr dim_t side = 4200; // more than 2^24 pixels: a float sum stops there
    const std::vector<float> ones(side * side, 1.0f);
    float out = 0;
    average_pool(op::adaptive_average_pool{}, ones.data(), {1, side, side, 1}, &out, {1, 1, 1, 1});
    REQUIRE(out == 1.0f);
}

} // namespace intaglio::nn::reference
