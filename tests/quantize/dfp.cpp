// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/dfp.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace intaglio {
namespace {

using limits = std::numeric_limits<float>;

std::vector<float> random_values(std::size_t count, std::uint64_t stream, float scale = 1) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = scale * random_normal(99, stream, i);
    return values;
}

/// The scalar text, applied element by element.
template <class T, class Rule>
std::vector<T> normative(const std::vector<float>& values, int exponent, dfp_spec spec, const Rule& rule) {
    std::vector<T> out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        out[i] =
            static_cast<T>(round_saturated(static_cast<double>(values[i]) * power_of_two(-exponent),
                                           -spec.max_mantissa(), spec.max_mantissa(), rule, static_cast<dim_t>(i)));
    return out;
}

template <class T, class Rule>
void compare(const std::vector<float>& values, int exponent, dfp_spec spec, const Rule& rule, executor_ref exec = {}) {
    std::vector<T> out(values.size(), T{77});
    quantize_dfp<T>(values, out, exponent, spec, rule, exec);
    REQUIRE(out == normative<T>(values, exponent, spec, rule));
}
/// The text of the value_error that `f` throws, "" if it throws none.
template <class F>
std::string refusal(F&& f) {
    try {
        f();
    } catch (const value_error& e) {
        return e.what();
    }
    return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("the exponent rule", "[unit][exact]") {
    STATIC_REQUIRE(dfp_exponent(1.0F) == -14);
    STATIC_REQUIRE(dfp_exponent(1.9F) == -14);
    STATIC_REQUIRE(dfp_exponent(2.0F) == -13);
    STATIC_REQUIRE(dfp_exponent(1.0F, {.bits = 16, .head_room = 2}) == -12);
    STATIC_REQUIRE(dfp_exponent(1.0F, {.bits = 8}) == -6);
    STATIC_REQUIRE(dfp_exponent(0.0F) == 0);
    STATIC_REQUIRE(dfp_exponent(limits::denorm_min()) == -163);
    STATIC_REQUIRE(dfp_exponent(limits::max()) == 113);
}

TEST_CASE("the largest mantissa has its leading bit in place", "[unit][exact]") {
    for (int head_room = 0; head_room <= 3; ++head_room) {
        for (int e = -149; e <= 127; ++e) {
            const dfp_spec spec{.bits = 16, .head_room = head_room};
            for (const float amax : {std::ldexp(1.0F, e), std::nextafter(std::ldexp(1.0F, e), limits::max())}) {
                const std::vector<float> values{amax, -amax, 0.0F};
                const auto q = quantize_dfp<fixed<16>>(values, {3}, spec);
                REQUIRE(q.mantissas[0] >= (1 << (14 - head_room)));
                REQUIRE(q.mantissas[0] <= (1 << (15 - head_room)));
                REQUIRE(q.mantissas[1] == -q.mantissas[0]);
                REQUIRE(q.mantissas[2] == 0);
            }
        }
    }
}

TEST_CASE("a maximum that rounds up saturates instead of wrapping", "[unit][exact]") {
    const float almost_two = std::nextafter(2.0F, 0.0F);
    const std::vector<float> values{almost_two, -almost_two};
    const auto q = quantize_dfp<fixed<16>>(values, {2});
    REQUIRE(q.exponent == -14);
    REQUIRE(q.mantissas[0] == 32767);
    REQUIRE(q.mantissas[1] == -32767);
    const auto counts = count_losses<std::int16_t>(values, q.mantissas.span(), q.exponent, {});
    REQUIRE(counts == quantize_counts{2, 0});
    // With head-room the power of two is reached.
    REQUIRE(quantize_dfp<fixed<16>>(values, {2}, {.bits = 16, .head_room = 2}).mantissas[0] == 8192);
}

TEST_CASE("empty and all-zero tensors", "[unit]") {
    const auto none = quantize_dfp<fixed<16>>({}, {0});
    REQUIRE(none.size() == 0);
    REQUIRE(none.exponent == 0);
    const std::vector<float> zeros{0.0F, -0.0F, 0.0F};
    const auto q = quantize_dfp<fixed<16>>(zeros, {3});
    REQUIRE(q.exponent == 0);
    REQUIRE(q.scale() == 1);
    for (const auto m : q.mantissas) REQUIRE(m == 0);
}

TEST_CASE("denormal tensors keep their bits", "[unit][exact]") {
    std::vector<float> values;
    for (int i = -100; i <= 100; ++i) values.push_back(static_cast<float>(i) * limits::denorm_min());
    const auto q = quantize_dfp<fixed<16>>(values, {201});
    for (dim_t i = 0; i < 201; ++i) REQUIRE(q.value(i) == static_cast<double>(values[static_cast<std::size_t>(i)]));
    std::vector<float> back(values.size());
    dequantize_dfp<std::int16_t>(q.mantissas.span(), q.exponent, back);
    REQUIRE(back == values);
}

TEST_CASE("vector code equals the scalar text", "[unit][exact]") {
    thread_pool pool(3);
    std::vector<float> values = random_values(70001, 1);
    // Ties, edges of the range, tiny, huge and special values at places that fall into vectors and into tails.
    const float special[] = {0.0F,
                             -0.0F,
                             0.5F,
                             1.5F,
                             2.5F,
                             -0.5F,
                             -1.5F,
                             -2.5F,
                             32766.5F,
                             32767.5F,
                             -32767.5F,
                             32768.0F,
                             127.5F,
                             -127.5F,
                             limits::max(),
                             -limits::max(),
                             limits::min(),
                             limits::denorm_min(),
                             -limits::denorm_min(),
                             limits::infinity(),
                             -limits::infinity(),
                             limits::quiet_NaN()};
    for (std::size_t i = 0; i < std::size(special); ++i) {
        values[i] = special[i];
        values[65530 + i] = special[i];
        values[values.size() - 1 - i] = special[i];
    }
    for (const int exponent : {0, -1, -14, -15, 3, -140, 113, -163, 252, -252}) {
        compare<std::int16_t>(values, exponent, {.bits = 16}, nearest_even{}, pool);
        compare<std::int8_t>(values, exponent, {.bits = 8}, nearest_even{}, pool);
        compare<std::int32_t>(values, exponent, {.bits = 23}, nearest_even{}, pool);
        compare<std::int32_t>(values, exponent, {.bits = 28}, nearest_even{}, pool);
        compare<std::int32_t>(values, exponent, {.bits = 32}, nearest_even{}, pool);
        compare<std::int16_t>(values, exponent, {.bits = 16}, stochastic{5, 6}, pool);
        compare<std::int8_t>(values, exponent, {.bits = 4}, stochastic{5, 7}, pool);
        compare<std::int32_t>(values, exponent, {.bits = 28}, stochastic{5, 8}, pool);
        compare<std::int16_t>(values, exponent, {.bits = 16}, dithered{5}, pool);
        compare<std::int8_t>(values, exponent, {.bits = 4}, dithered{0xFFFF'FFFFU}, pool);
        compare<std::int32_t>(values, exponent, {.bits = 28}, dithered{7}, pool);
    }
    for (std::size_t count : {0U, 1U, 7U, 8U, 9U, 511U, 512U, 513U}) {
        const std::vector<float> few(values.begin() + 100, values.begin() + 100 + static_cast<std::ptrdiff_t>(count));
        compare<std::int16_t>(few, -13, {.bits = 16}, nearest_even{});
        compare<std::int16_t>(few, -13, {.bits = 16}, stochastic{1, 2});
        compare<std::int16_t>(few, -13, {.bits = 16}, dithered{1});
    }
}

TEST_CASE("stochastic rounding does not depend on the threads", "[unit][exact]") {
    thread_pool two(2), three(3);
    const auto values = random_values(200000, 2);
    const stochastic rule{11, 12};
    const auto serial = quantize_dfp<fixed<16>>(values, {200000}, {}, "x", rule);
    for (thread_pool* pool : {&two, &three}) {
        const auto threaded = quantize_dfp<fixed<16>>(values, {200000}, {}, "x", rule, *pool);
        REQUIRE(std::equal(serial.mantissas.begin(), serial.mantissas.end(), threaded.mantissas.begin()));
    }
    double sum = 0, exact = 0;
    for (dim_t i = 0; i < 200000; ++i) {
        sum += serial.value(i);
        exact += static_cast<double>(values[static_cast<std::size_t>(i)]);
    }
    REQUIRE(std::abs(sum - exact) < 5 * serial.scale() * 0.5 * std::sqrt(200000.0));
}

TEST_CASE("the error of nearest rounding is half a step", "[unit]") {
    const auto values = random_values(10000, 3, 1e-5F);
    const auto q = quantize_dfp<fixed<16>>(values, {100, 100});
    for (dim_t i = 0; i < q.size(); ++i)
        REQUIRE(std::abs(q.value(i) - static_cast<double>(values[static_cast<std::size_t>(i)])) <= q.scale() / 2);
}

TEST_CASE("NaN and infinity name the tensor and the first place, and change nothing", "[unit]") {
    auto values = random_values(100000, 4);
    auto q = quantize_dfp<fixed<16>>(std::vector<float>{1.0F, 2.0F}, {2});
    values[99000] = limits::quiet_NaN();
    values[77777] = -limits::infinity();
    std::string text = refusal([&] { quantize_dfp(values, {100000}, q, {}, "conv1.weight"); });
    INFO(text);
    REQUIRE(contains(text, "conv1.weight"));
    REQUIRE(contains(text, "77777"));
    REQUIRE(contains(text, "infinite"));
    values[77777] = 0;
    text = refusal([&] { largest_magnitude(values, "x"); });
    REQUIRE(contains(text, "99000"));
    REQUIRE(contains(text, "NaN"));
    REQUIRE(q.size() == 2);
    REQUIRE(q.mantissas[1] == 16384);
    REQUIRE(q.exponent == -13);
}

TEST_CASE("sizes and specs that do not fit", "[unit]") {
    const std::vector<float> values{1, 2, 3};
    std::vector<std::int16_t> out(3, std::int16_t{5});
    std::vector<std::int16_t> two(2, std::int16_t{5});
    REQUIRE_THROWS_AS(quantize_dfp<std::int16_t>(values, two, 0, {}), shape_error);
    REQUIRE_THROWS_AS(quantize_dfp<std::int16_t>(values, out, 0, {.bits = 17}), value_error);
    REQUIRE_THROWS_AS(quantize_dfp<std::int16_t>(values, out, 0, {.bits = 1}), value_error);
    REQUIRE_THROWS_AS(quantize_dfp<std::int16_t>(values, out, 0, {.bits = 16, .head_room = 15}), value_error);
    REQUIRE_THROWS_AS(quantize_dfp<std::int16_t>(values, out, 0, {.bits = 16, .head_room = -1}), value_error);
    REQUIRE_THROWS_AS(quantize_dfp<std::int16_t>(values, out, 253, {}), value_error);
    REQUIRE_THROWS_AS(quantize_dfp<fixed<16>>(values, {2, 2}), shape_error);
    REQUIRE_THROWS_AS(quantize_dfp<fixed<8>>(values, {3}, {.bits = 9}), value_error);
    REQUIRE(out == std::vector<std::int16_t>(3, std::int16_t{5}));
}

TEST_CASE("what was lost is counted", "[unit]") {
    const std::vector<float> values{1.0F, 1e-6F, -1e-6F, 0.0F, 100.0F, -100.0F};
    std::vector<std::int16_t> out(values.size());
    quantize_dfp<std::int16_t>(values, out, -14, {});
    REQUIRE(count_losses<std::int16_t>(values, out, -14, {}) == quantize_counts{2, 2});
}

namespace {

/// Planar bytes of `values` are the numbers of fixed<16>, whichever way they are made.
template <class Rule>
void check_planar(std::span<const float> values, dfp_spec spec, const Rule& rule, executor_ref exec) {
    const extents shape{static_cast<dim_t>(values.size())};
    const auto expected = quantize_dfp<fixed<16>>(values, shape, spec, "x", rule, exec);
    const auto same = [&](const dfp_tensor<planar_bytes>& t) {
        REQUIRE(t.exponent == expected.exponent);
        REQUIRE(t.shape() == shape);
        REQUIRE(t.mantissas.size() == 2 * shape.size());
        bool all = true;
        for (dim_t i = 0; i < t.size(); ++i) all = all && t.mantissa(i) == expected.mantissas[i];
        return all;
    };
    auto t = quantize_dfp<planar_bytes>(values, shape, spec, "x", rule, exec);
    CHECK(same(t));
    for (const int predicted : {t.exponent, t.exponent - 1, t.exponent + 3, -300, 300}) {
        t.exponent = predicted;
        std::fill(t.mantissas.begin(), t.mantissas.end(), std::uint8_t{0x5a});
        requantize_dfp(values, shape, t, spec, "x", rule, exec);
        CHECK(same(t));
    }
    std::vector<float> back(values.size()), expected_back(values.size());
    dequantize_dfp(t, back, exec);
    dequantize_dfp(expected, expected_back);
    CHECK(back == expected_back);
    CHECK(count_losses(values, t, spec) == count_losses(values, expected.mantissas.span(), expected.exponent, spec));
}

} // namespace

TEST_CASE("dfp: planar bytes are the mantissas of 16 bits, for every rule", "[unit][exact]") {
    thread_pool pool(3);
    std::vector<float> values = random_values(70001, 8);
    for (std::size_t i = 0; i < values.size(); i += 97) values[i] = std::ldexp(values[i], -static_cast<int>(i % 31));
    for (const std::size_t count : {0U, 1U, 7U, 8U, 9U, 1023U, 1024U, 1025U, 2049U, 70001U}) {
        const std::span<const float> some(values.data(), count);
        for (const dfp_spec spec : {dfp_spec{.bits = 16}, dfp_spec{.bits = 16, .head_room = 2}, dfp_spec{.bits = 9}}) {
            check_planar(some, spec, nearest_even{}, {});
            check_planar(some, spec, nearest_even{}, pool);
            check_planar(some, spec, stochastic{5, 6}, pool);
            check_planar(some, spec, dithered{5}, pool);
        }
    }
    const float almost_two = std::nextafter(2.0F, 0.0F); // saturates
    const std::vector<float> ends{almost_two, -almost_two,    0.0F,           -0.0F,           0x1p-14F,
                                  -0x1p-14F,  255 * 0x1p-14F, 256 * 0x1p-14F, -256 * 0x1p-14F, -257 * 0x1p-14F};
    check_planar(ends, {}, nearest_even{}, {});
    check_planar(ends, {}, stochastic{1, 2}, {});
    const auto t = quantize_dfp<planar_bytes>(ends, {1, 2, 5});
    CHECK(t.shape() == extents{1, 2, 5});
    CHECK(t.mantissas.shape() == extents{2, 1, 2, 5});
    CHECK(t.data()[0] == 0x7f);
    CHECK(t.data()[10] == 0xff);
}

TEST_CASE("dfp: planar bytes refuse what 16 bits refuse", "[unit]") {
    const std::vector<float> values{1, 2, 3, limits::quiet_NaN()};
    auto t = quantize_dfp<planar_bytes>(std::vector<float>{1, 2, 3}, {3});
    const std::vector<std::uint8_t> before(t.mantissas.begin(), t.mantissas.end());
    REQUIRE_THROWS_AS(quantize_dfp(values, {4}, t), value_error);
    REQUIRE_THROWS_AS(quantize_dfp(std::vector<float>{1, 2}, {3}, t), shape_error);
    REQUIRE_THROWS_AS(quantize_dfp(std::vector<float>{1, 2}, {2}, t, {.bits = 17}), value_error);
    REQUIRE_THROWS_AS(quantize_dfp(std::vector<float>{1}, {1, 1, 1, 1, 1}, t), shape_error);
    REQUIRE(std::equal(before.begin(), before.end(), t.mantissas.begin(), t.mantissas.end()));
}

TEST_CASE("dfp: a predicted exponent changes nothing but the number of passes", "[unit][exact]") {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{70001}}) {
        std::vector<float> values(count);
        for (std::size_t i = 0; i < count; ++i)
            values[i] = std::ldexp(static_cast<float>(static_cast<int>(i * 2654435761U % 2001) - 1000),
                                   static_cast<int>(i % 7) - 12);
        std::vector<std::int16_t> expected(count), got(count);
        const int exponent = dfp_exponent(largest_magnitude(values));
        quantize_dfp(values, std::span(expected), exponent, {});
        for (const int predicted : {exponent, exponent - 1, exponent + 3, -300, 300}) {
            std::fill(got.begin(), got.end(), std::int16_t{-7});
            CHECK(requantize_dfp(values, std::span(got), predicted, {}) == exponent);
            CHECK(got == expected);
        }
    }
    dfp_tensor<fixed<16>> t = quantize_dfp<fixed<16>>(std::vector<float>{1, 2, 3, 4}, {4});
    requantize_dfp(std::vector<float>{100, -200, 300, 400}, {2, 2}, t);
    const auto again = quantize_dfp<fixed<16>>(std::vector<float>{100, -200, 300, 400}, {2, 2});
    CHECK(t.exponent == again.exponent);
    CHECK(t.shape() == again.shape());
    CHECK(std::equal(t.data(), t.data() + 4, again.data()));
    CHECK_THROWS_AS(requantize_dfp(std::vector<float>{1, 2, 3, std::numeric_limits<float>::quiet_NaN()}, {4}, t),
                    value_error);
}

} // namespace intaglio
