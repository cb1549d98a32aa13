// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/relu.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("ReLU passes NaN, infinity and -0 as PyTorch does", "[unit]") {
    constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN(),
                    least = std::numeric_limits<float>::denorm_min();
    const float values[] = {nan, infinity, -0.0f, 0.0f, -1, -infinity, 2, least, -least};
    const float expected[] = {nan, infinity, -0.0f, 0.0f, 0.0f, 0.0f, 2, least, 0.0f};
    const float passed[] = {1, 1, 0, 0, 0, 0, 1, 1, 0};
    constexpr dim_t count = std::size(values), repeats = 5; // so that each passes vector code and its rest
    feature_map in({1, 1, repeats, count}), out(in.shape()), d_out(in.shape()), d_in(in.shape());
    for (dim_t i = 0; i < in.size(); ++i) {
        in.data()[i] = values[i % count];
        d_out.data()[i] = static_cast<float>(i + 1);
    }
    relu rectifier;
    rectifier.forward(in, out, {});
    rectifier.backward(in, out, d_out, &d_in, {});
    for (dim_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        if (i % count == 0)
            REQUIRE(std::isnan(out.data()[i]));
        else
            REQUIRE(std::bit_cast<std::uint32_t>(out.data()[i]) == std::bit_cast<std::uint32_t>(expected[i % count]));
        REQUIRE(d_in.data()[i] == passed[i % count] * d_out.data()[i]);
    }
}

} // namespace intaglio::nn
