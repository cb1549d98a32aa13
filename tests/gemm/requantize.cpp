// SPDX-License-Identifier: Apache-2.0

// Stored quantized: every type at its extremes, the places where rounding turns, infinities and NaN, one by one and in
// rows that become vector code. Built for each instruction set.

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/epilogue.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

/// In long double, which holds every product of two floats and every int32.
template <class T>
T stored(float v, float inverse_scale) {
    constexpr auto most = static_cast<long double>(std::numeric_limits<T>::max());
    constexpr long double least = std::is_signed_v<T> ? -most : 0.0L;
    const float scaled = v * inverse_scale;
    if (std::isnan(scaled)) return static_cast<T>(least);
    const auto x = static_cast<long double>(scaled);
    return static_cast<T>(x >= most ? most : x <= least ? least : std::nearbyint(x));
}

std::vector<float> extremes() {
    constexpr float inf = std::numeric_limits<float>::infinity();
    std::vector<float> v{0.0F,
                         -0.0F,
                         inf,
                         -inf,
                         std::numeric_limits<float>::quiet_NaN(),
                         5181600.0F,
                         2590800000.0F,
                         -2590800000.0F,
                         std::numeric_limits<float>::max(),
                         std::numeric_limits<float>::denorm_min()};
    // beside every power of two, where floats thin out and types end, and half way between integers
    for (int exponent = -2; exponent < 40; ++exponent)
        for (const float offset : {0.0F, 0.5F, 1.0F, 1.5F, 2.5F})
            for (const float sign : {1.0F, -1.0F}) {
                const float at = std::ldexp(1.0F, exponent);
                v.push_back(sign * (at + offset));
                v.push_back(sign * (at - offset));
                v.push_back(sign * std::nextafter(at, 0.0F));
                v.push_back(sign * std::nextafter(at, inf));
            }
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i)
        v.push_back(
            std::ldexp(static_cast<float>(static_cast<std::int32_t>(random())), static_cast<int>(random() % 40) - 30));
    return v;
}

/// Two vectors at a time.
template <class T, int Lanes>
void check_pairs(const std::vector<float>& values, float inverse_scale, const std::vector<T>& expected) {
    if constexpr (sizeof(T) <= 2) {
        using floats = simd::vector<float, Lanes>;
        const auto both = static_cast<std::size_t>(2 * Lanes);
        std::vector<T> codes(values.size());
        for (std::size_t e = 0; e + both <= values.size(); e += both)
            detail::store_values(quantized_view<T>{{}, inverse_scale}, simd::load_vector<floats>(values.data() + e),
                                 simd::load_vector<floats>(values.data() + e + Lanes), codes.data() + e);
        for (std::size_t i = 0; i < values.size() / both * both; ++i)
            if (codes[i] != expected[i]) {
                INFO(values[i] << " * " << inverse_scale << ", in vectors of " << Lanes);
                CHECK(+codes[i] == +expected[i]);
                FAIL();
            }
    }
}

template <class T>
void check() {
    const std::vector<float> values = extremes();
    const auto n = static_cast<dim_t>(values.size());
    for (const float inverse_scale :
         {1.0F, 0.5F, 3.0F, -1.0F, 0.0F, 1e30F, 1e-30F, std::numeric_limits<float>::infinity()}) {
        std::vector<T> row(values.size()), column(2 * values.size(), T{1}), expected(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) expected[i] = stored<T>(values[i], inverse_scale);
        detail::store_piece(quantized_view<T>{{row.data(), 1, n}, inverse_scale}, values.data(), 0, 0, n);
        detail::store_piece(quantized_view<T>{{column.data(), 1, n, 2 * n, 2}, inverse_scale}, values.data(), 0, 0, n);
        check_pairs<T, 4>(values, inverse_scale, expected);
        if constexpr (simd::widest_vector >= 32) check_pairs<T, 8>(values, inverse_scale, expected);
        if constexpr (simd::widest_vector >= 64) check_pairs<T, 16>(values, inverse_scale, expected);
        for (std::size_t i = 0; i < values.size(); ++i)
            if (row[i] != expected[i] || column[2 * i] != expected[i] || column[2 * i + 1] != 1 ||
                detail::requantize<T>(values[i], inverse_scale) != expected[i]) {
                INFO(values[i] << " * " << inverse_scale << " is stored as " << +row[i] << ", " << +column[2 * i]);
                CHECK(+row[i] == +expected[i]);
                FAIL();
            }
    }
    CHECK(detail::requantize<T>(std::numeric_limits<float>::infinity(), 1) == std::numeric_limits<T>::max());
}

} // namespace

TEST_CASE("int8 is stored at its extremes", "[unit][exact]") { check<std::int8_t>(); }
TEST_CASE("uint8 is stored at its extremes", "[unit][exact]") { check<std::uint8_t>(); }
TEST_CASE("int16 is stored at its extremes", "[unit][exact]") { check<std::int16_t>(); }
TEST_CASE("uint16 is stored at its extremes", "[unit][exact]") { check<std::uint16_t>(); }
TEST_CASE("int32 is stored at its extremes", "[unit][exact]") {
    check<std::int32_t>();
    CHECK(detail::requantize<std::int32_t>(5181600.0F, 1) == 5181600);
    CHECK(detail::requantize<std::int32_t>(2590800000.0F, 1) == 2147483647);
    CHECK(detail::requantize<std::int32_t>(-2590800000.0F, 1) == -2147483647);
    CHECK(detail::requantize<std::int32_t>(2147483520.0F, 1) == 2147483520);
}
