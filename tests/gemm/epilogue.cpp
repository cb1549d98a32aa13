// SPDX-License-Identifier: Apache-2.0

// The stages one by one, their order, and how an output is quantized.

#include "intaglio/gemm/epilogue.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

/// The stages applied to `values`, which are the products of a column of ones: (rows, 1) times (1, cols).
template <class Out, class... Stages>
void run(const std::vector<float>& values, Out out, const epilogue<Stages...>& stages) {
    const float one = 1;
    gemm<fp32>(lhs_view<fp32>{{&one, 1, 1}},
               rhs_view<fp32>{{values.data(), 1, static_cast<std::ptrdiff_t>(values.size())}}, out, stages);
}

} // namespace

TEST_CASE("stages are applied from left to right", "[unit]") {
    const std::vector<float> values{-3, -1, 0, 2, 5};
    const float b[] = {1, 1, 1, -3, -3}, scale[] = {2, 2, 2, 2, 2}, shift[] = {0.5F, 0.5F, 0.5F, 0.5F, 0.5F},
                residual[] = {10, 10, 10, 10, -100};
    std::vector<float> out(5);
    const matrix_view<float> view(out.data(), 1, 5);
    run(values, view, epilogue{bias{b}});
    CHECK(out == std::vector<float>{-2, 0, 1, -1, 2});
    run(values, view, epilogue{bias{b}, relu{}});
    CHECK(out == std::vector<float>{0, 0, 1, 0, 2});
    run(values, view, epilogue{relu{}, bias{b}});
    CHECK(out == std::vector<float>{1, 1, 1, -1, 2});
    run(values, view, epilogue{scale_shift{scale, shift}});
    CHECK(out == std::vector<float>{-5.5F, -1.5F, 0.5F, 4.5F, 10.5F});
    float largest = 0;
    run(values, view,
        epilogue{scale_shift{scale, shift}, add{matrix_view<const float>(residual, 1, 5)}, max_magnitude{&largest},
                 relu{}});
    CHECK(out == std::vector<float>{4.5F, 8.5F, 10.5F, 14.5F, 0});
    CHECK(largest == 89.5F);
}

TEST_CASE("ReLU passes NaN, infinity and -0", "[unit]") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    const float kinds[] = {nan, infinity, -infinity, -0.0F, -nan, -2, 3};
    for (const std::size_t count : {std::size(kinds), std::size_t{100}}) { // part of a panel, and whole ones
        CAPTURE(count);
        std::vector<float> values(count), out(count);
        for (std::size_t i = 0; i < count; ++i) values[i] = kinds[i % std::size(kinds)];
        // a sum that begins with +0 is never -0: the shift makes it so again
        const std::vector<float> ones(count, 1.0F), shift(count, -0.0F);
        run(values, matrix_view<float>(out.data(), 1, static_cast<std::ptrdiff_t>(count)), epilogue{relu{}});
        float largest = 0;
        std::vector<float> again(count);
        run(values, matrix_view<float>(again.data(), 1, static_cast<std::ptrdiff_t>(count)),
            epilogue{scale_shift{ones.data(), shift.data()}, relu{}, max_magnitude{&largest}});
        CHECK(std::isnan(largest)); // and is not lost on the way to a quantizer
        for (std::size_t i = 0; i < count; ++i) {
            CAPTURE(i);
            const float v = values[i];
            REQUIRE((std::isnan(v) ? std::isnan(out[i]) : out[i] == (v > 0 ? v : 0.0F)));
            REQUIRE((std::isnan(v) ? std::isnan(again[i]) : again[i] == out[i]));
        }
    }
    float stays[] = {-0.0F, nan, -1, -0.0F, nan};
    relu{}(stays, 0, 0, 5);
    CHECK((std::signbit(stays[0]) && std::signbit(stays[3]) && std::isnan(stays[1]) && std::isnan(stays[4])));
    CHECK(stays[2] == 0);
}

TEST_CASE("the largest magnitude starts from what the caller set", "[unit]") {
    std::vector<float> out(3);
    float largest = 7;
    run({1, -2, 3}, matrix_view<float>(out.data(), 1, 3), epilogue{max_magnitude{&largest}});
    CHECK(largest == 7);
    largest = 0;
    run({1, -4, 3}, matrix_view<float>(out.data(), 1, 3), epilogue{max_magnitude{&largest}});
    CHECK(largest == 4);
}

TEST_CASE("quantized outputs round to nearest even and saturate", "[unit]") {
    const std::vector<float> values{0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 126.4F, 127.6F, 1e9F, -1e9F, -127.5F, -128.0F};
    const auto n = static_cast<std::ptrdiff_t>(values.size());
    SECTION("int8 is symmetric") {
        std::vector<std::int8_t> out(values.size());
        run(values, quantized_view<std::int8_t>{{out.data(), 1, n}, 1.0F}, epilogue<>{});
        CHECK(out == std::vector<std::int8_t>{0, 2, 2, 0, -2, 126, 127, 127, -127, -127, -127});
    }
    SECTION("uint8 stops at zero") {
        std::vector<std::uint8_t> out(values.size());
        run(values, quantized_view<std::uint8_t>{{out.data(), 1, n}, 2.0F}, epilogue<>{});
        CHECK(out == std::vector<std::uint8_t>{1, 3, 5, 0, 0, 253, 255, 255, 0, 0, 0});
    }
    SECTION("int16") {
        std::vector<std::int16_t> out(values.size());
        run(values, quantized_view<std::int16_t>{{out.data(), 1, n}, 256.0F}, epilogue<>{});
        CHECK(out == std::vector<std::int16_t>{128, 384, 640, -128, -384, 32358, 32666, 32767, -32767, -32640, -32767});
    }
    SECTION("int32 is exact beyond the integers of a float, and saturates") {
        const std::vector<float> large{5181600.0F, -5181600.0F, 2590800000.0F, -2590800000.0F, 2147483520.0F};
        std::vector<std::int32_t> out(large.size());
        run(large, quantized_view<std::int32_t>{{out.data(), 1, 5}, 1.0F}, epilogue<>{});
        CHECK(out == std::vector<std::int32_t>{5181600, -5181600, 2147483647, -2147483647, 2147483520});
    }
    SECTION("infinities saturate, NaN is the least value") {
        constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
        std::vector<std::int8_t> bytes(3);
        run({inf, -inf, nan}, quantized_view<std::int8_t>{{bytes.data(), 1, 3}, 1.0F}, epilogue<>{});
        CHECK(bytes == std::vector<std::int8_t>{127, -127, -127});
        std::vector<std::int32_t> words(3);
        run({inf, -inf, nan}, quantized_view<std::int32_t>{{words.data(), 1, 3}, 1.0F}, epilogue<>{});
        CHECK(words == std::vector<std::int32_t>{2147483647, -2147483647, -2147483647});
    }
}
