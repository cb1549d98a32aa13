// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/storage.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::train {

TEST_CASE("what a pass stores does not depend on its guess", "[unit][exact]") {
    const dim_t size = GENERATE(0, 1, 511, 512, 513, 2049, 70000);
    const float scale = GENERATE(0.0F, 1.0F, 0x1p-100F, 3e38F);
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = scale * (random_uniform(1, 2, i) - 0.5F);
    const auto right = quantize_dfp<fixed<16>>(values, {size});
    for (const int guess : {-140, -120, right.exponent - 1, right.exponent, right.exponent + 1, 0, 100}) {
        std::vector<std::int16_t> memory(values.size());
        stored<std::int16_t> to{memory.data(), size, std::max(guess, least_exponent)};
        thread_pool pool(3);
        store_pass(to, channel_walk(7), {}, "x", pool, [&](dim_t first, dim_t count, dim_t place, float* v) {
            REQUIRE(place == first % channel_walk(7).period());
            std::copy_n(values.data() + first, count, v);
        });
        REQUIRE(to.exponent == std::max(right.exponent, least_exponent));
        if (right.exponent >= least_exponent)
            for (dim_t i = 0; i < size; ++i) REQUIRE(memory[static_cast<std::size_t>(i)] == right.mantissa(i));
    }
}

TEST_CASE("values that are not finite are refused by the tensor's name", "[unit]") {
    const float bad = GENERATE(std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN());
    std::vector<std::int16_t> memory(600);
    stored<std::int16_t> to{memory.data(), 600};
    const auto pass = [&] {
        store_pass(to, channel_walk(1), {}, "layer1.bn", {}, [&](dim_t first, dim_t count, dim_t, float* v) {
            for (dim_t i = 0; i < count; ++i) v[i] = first + i == 599 ? bad : 1.0F;
        });
    };
    REQUIRE(mentions<value_error>(pass, "layer1.bn has a value that is"));
}

TEST_CASE("sums over pixels are exact for integers, for any channels", "[unit][exact]") {
    const dim_t channels = GENERATE(1, 3, 16, 511, 513, 3000), pixels = 97;
    std::vector<std::int16_t> values(static_cast<std::size_t>(channels * pixels));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<std::int16_t>(static_cast<int>(random_below(65535, 3, 4, i)) - 32767);
    thread_pool pool(2);
    buffer<std::int64_t> partial;
    std::vector<double> sums(static_cast<std::size_t>(channels));
    sum_pass<1>(channels * pixels, channel_walk(channels), pool, sums.data(), partial,
                [&](dim_t first, dim_t count, std::int64_t* to) {
                    for (dim_t i = 0; i < count; ++i) to[i] += values[static_cast<std::size_t>(first + i)];
                });
    for (dim_t c = 0; c < channels; ++c) {
        std::int64_t sum = 0;
        for (dim_t p = 0; p < pixels; ++p) sum += values[static_cast<std::size_t>(p * channels + c)];
        REQUIRE(sums[static_cast<std::size_t>(c)] == static_cast<double>(sum));
    }
}

} // namespace intaglio::train
