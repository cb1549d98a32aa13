// SPDX-License-Identifier: Apache-2.0

// The stages one by one, their order, and how an output is quantized.

#include "intaglio/gemm/epilogue.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

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

TEST_CASE("values to add may lie in any order, or be the output itself", "[unit]") {
    const float ones[] = {1, 1}, zeros[] = {0, 0}, residual[] = {1, 2, 3, 4};
    std::vector<float> out(4);
    const matrix_view<float> view(out.data(), 2, 2);
    const auto product = [&](const auto& stages) {
        gemm<fp32>(lhs_view<fp32>{{ones, 2, 1}}, rhs_view<fp32>{{zeros, 1, 2}}, view, stages);
    };
    const matrix_view<const float> values(residual, 2, 2);
    product(epilogue{add{values}});
    CHECK(out == std::vector<float>{1, 2, 3, 4});
    product(epilogue{add{values.transposed()}});
    CHECK(out == std::vector<float>{1, 3, 2, 4});
    product(epilogue{add{view}, add{values}});
    CHECK(out == std::vector<float>{2, 5, 5, 8});
}

TEST_CASE("stages that don't fit the product are refused, and nothing is written", "[unit]") {
    const std::vector<float> values{1, 2, 3};
    const float b[] = {1, 2, 3, 4};
    const auto three = std::span(b).first(3), two = std::span(b).first(2);
    std::vector<float> out(12, 7.0F);
    const matrix_view<float> view(out.data() + 4, 1, 3);
    const auto refused = [&]<class Error>(Error*, const auto& stages, const char* one, const char* other) {
        const bool right = mentions<Error>([&] { run(values, view, stages); }, one, other);
        return right && out == std::vector<float>(12, 7.0F);
    };
    shape_error* const shape = nullptr;
    value_error* const value = nullptr;
    CHECK(refused(shape, epilogue{bias{two}}, "bias: 2 values", "3 columns"));
    CHECK(refused(shape, epilogue{relu{}, bias{b}}, "bias: 4 values", "3 columns"));
    CHECK(refused(shape, epilogue{scale_shift{three, two}}, "shift: 2 values", "3 columns"));
    CHECK(refused(shape, epilogue{scale_shift{{}, three}}, "scale: 0 values", "3 columns"));
    CHECK(refused(shape, epilogue{add{matrix_view<const float>(b, 3, 1)}}, "3 x 1", "1 x 3"));
    CHECK(refused(shape, epilogue{add{}}, "0 x 0", "1 x 3"));
    CHECK(refused(value, epilogue{add{matrix_view<const float>(nullptr, 1, 3)}}, "add", "null"));
    CHECK(refused(value, epilogue{max_magnitude{}}, "max_magnitude", "null"));
    CHECK(refused(value, epilogue{max_magnitude{out.data() + 5}}, "max_magnitude", "output"));
    CHECK(refused(value, epilogue{bias{std::span<const float>(out).subspan(2, 3)}}, "bias", "share memory"));
    CHECK(refused(value, epilogue{add{matrix_view<const float>(out.data() + 3, 1, 3)}}, "add", "share memory"));
    CHECK(refused(value, epilogue{add{matrix_view<const float>(out.data() + 6, 1, 3, 3, -1)}}, "add", "share memory"));
    run(values, view, epilogue{bias{three}, scale_shift{three, three}, add{view}});
    CHECK(std::vector<float>(out.begin() + 4, out.begin() + 7) == std::vector<float>{10, 17, 28});
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
            epilogue{scale_shift{ones, shift}, relu{}, max_magnitude{&largest}});
        CHECK(std::isnan(largest)); // and is not lost on the way to a quantizer
        for (std::size_t i = 0; i < count; ++i) {
            CAPTURE(i);
            const float v = values[i];
            REQUIRE((std::isnan(v) ? std::isnan(out[i]) : out[i] == (v > 0 ? v : 0.0F)));
            REQUIRE((std::isnan(v) ? std::isnan(again[i]) : again[i] == out[i]));
        }
    }
    float stays[] = {-0.0F, nan, -1, -0.0F, nan};
    run_stage(relu{}, stays, 0, 0, 5);
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

TEST_CASE("a NaN is stored in one form, whatever stage it comes from, and is the largest magnitude", "[unit]") {
    constexpr float inf = std::numeric_limits<float>::infinity(), nan = canonical_nan;
    const auto same = [](const std::vector<float>& got, const std::vector<float>& expected) {
        return std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0;
    };
    const std::vector<float> values{1, inf, -nan, std::bit_cast<float>(0x7fc12345U), -2};
    std::vector<float> out(5), transposed(5);
    float largest = 0;
    run(values, matrix_view<float>(out.data(), 1, 5), epilogue<>{});
    CHECK(same(out, {1, inf, nan, nan, -2}));
    run(values, matrix_view<float>(transposed.data(), 1, 5, 1, 1), epilogue<>{});
    CHECK(same(transposed, {1, inf, nan, nan, -2}));
    const float b[] = {std::bit_cast<float>(0xffc54321U), -inf, 1, 1, 1};
    run(values, matrix_view<float>(out.data(), 1, 5), epilogue{bias{b}, max_magnitude{&largest}});
    CHECK(same(out, {nan, nan, nan, nan, -1}));
    CHECK(same({largest}, {nan}));
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
