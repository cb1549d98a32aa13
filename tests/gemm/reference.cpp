// SPDX-License-Identifier: Apache-2.0

// The scalar text itself against products worked out by hand: order of the chains, scales, planes, and the one rounding
// at the end.

#include "intaglio/gemm/reference.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "intaglio/gemm/presets.hpp"
#include "support/catch.hpp"

using namespace intaglio;

TEST_CASE("reference_gemm multiplies integers exactly", "[unit]") {
    const std::int16_t a[] = {1, 2, 3, -4, 5, -6};   // (2, 3)
    const std::int16_t b[] = {7, -8, 9, 10, 11, 12}; // (3, 2)
    std::int64_t out[4];
    lhs_view<dfp16_training> lhs{{a, 2, 3}};
    rhs_view<dfp16_training> rhs{{b, 3, 2}};
    reference_gemm<dfp16_training>(lhs, rhs, matrix_view<std::int64_t>(out, 2, 2));
    CHECK(out[0] == 58);
    CHECK(out[1] == 48);
    CHECK(out[2] == -49);
    CHECK(out[3] == 10);

    SECTION("the value is scaled in double and rounded once") {
        lhs.scale = 0.5;
        rhs.scale = 0.25;
        float values[4];
        reference_gemm<dfp16_training>(lhs, rhs, matrix_view<float>(values, 2, 2));
        CHECK(values[0] == 7.25F);
        CHECK(values[2] == -6.125F);
    }
    SECTION("a transposed view is the transposed matrix") {
        std::int64_t transposed[4];
        lhs_view<dfp16_training> left{matrix_view<const std::int16_t>(b, 3, 2).transposed()};
        rhs_view<dfp16_training> right{matrix_view<const std::int16_t>(a, 2, 3).transposed()};
        reference_gemm<dfp16_training>(left, right, matrix_view<std::int64_t>(transposed, 2, 2));
        CHECK(transposed[0] == out[0]);
        CHECK(transposed[1] == out[2]);
        CHECK(transposed[2] == out[1]);
    }
}

TEST_CASE("reference_gemm holds what int32 could not", "[unit]") {
    const std::int16_t most[] = {32767, 32767, 32767, 32767};
    std::int64_t out = 0;
    reference_gemm<dfp16_training>({{most, 1, 4}}, {{most, 4, 1}}, matrix_view<std::int64_t>(&out, 1, 1));
    CHECK(out == 4 * std::int64_t{32767} * 32767);

    const std::int16_t least[] = {-32768, -32768};
    reference_gemm<dfp16_bytes>({{least, 1, 2}}, {{least, 2, 1}}, matrix_view<std::int64_t>(&out, 1, 1));
    CHECK(out == 2 * (std::int64_t{1} << 30));

    const std::uint8_t planes[] = {0x80, 0x7f, 0x00, 0xff}; // -32768, 32767
    reference_gemm<dfp16_planar>({{planes, 1, 2}, 1, {}, 2}, {{planes, 2, 1}, 1, {}, 2},
                                 matrix_view<std::int64_t>(&out, 1, 1));
    CHECK(out == std::int64_t{32768} * 32768 + std::int64_t{32767} * 32767);
}

TEST_CASE("reference_gemm adds ternary planes with their block scales", "[unit]") {
    // one output, k = 65: two blocks of 64, two planes
    std::uint8_t a[65];
    std::int8_t b[2 * 65];
    for (int k = 0; k < 65; ++k) {
        a[k] = static_cast<std::uint8_t>(k);
        b[k] = 1;                                               // plane 0
        b[65 + k] = static_cast<std::int8_t>(k == 64 ? -1 : 0); // plane 1
    }
    const std::uint8_t scales[] = {3, 5, 7, 11}; // [plane][block]
    std::int32_t out = 0;
    rhs_view<ternary8_inference<2>> rhs{{b, 65, 1}, 1, scales, 65};
    reference_gemm<ternary8_inference<2>>({{a, 1, 65}}, rhs, matrix_view<std::int32_t>(&out, 1, 1));
    CHECK(out == 3 * (63 * 64 / 2) + 5 * 64 - 11 * 64);
}

TEST_CASE("reference_gemm rounds once for each chain of a float total", "[unit]") {
    // int16 blocks of 32: the first block sums to 2^24 + 1, which float rounds to 2^24; the second adds 1
    std::int16_t a[64] = {}, b[64] = {};
    a[0] = 4096;
    b[0] = 4096;
    a[1] = b[1] = 1;
    a[32] = b[32] = 1;
    const float ones[] = {1, 1};
    float out = 0;
    reference_gemm<int16_blocks>({{a, 1, 64}, 1, ones}, {{b, 64, 1}, 1, ones}, matrix_view<float>(&out, 1, 1));
    CHECK(out == 16777216.0F); // 2^24 + 1 -> 2^24, + 1 -> 2^24 again
    const float halves[] = {0.5F, 2.0F};
    reference_gemm<int16_blocks>({{a, 1, 64}, 1, halves}, {{b, 64, 1}, 1, ones}, matrix_view<float>(&out, 1, 1));
    CHECK(out == 8388610.0F); // 2^23 + 2
}

TEST_CASE("reference_gemm in FP32 fuses and keeps the order of the reduction", "[unit]") {
    const float a[] = {1.0F + 0x1p-12F, -1.0F}, b[] = {1.0F + 0x1p-12F, 1.0F + 0x1p-11F};
    float out = 0;
    reference_gemm<fp32>({{a, 1, 2}}, {{b, 2, 1}}, matrix_view<float>(&out, 1, 1));
    CHECK(out == std::fma(a[1], b[1], std::fma(a[0], b[0], 0.0F)));
    const float empty = 0;
    out = 1;
    reference_gemm<fp32>({{&empty, 1, 0}}, {{&empty, 0, 1}}, matrix_view<float>(&out, 1, 1));
    CHECK(out == 0.0F);
    CHECK(!std::signbit(out));
}

TEST_CASE("reference_gemm names both shapes", "[unit]") {
    const float a[6] = {};
    float out[4] = {5, 5, 5, 5};
    CHECK_THROWS_WITH((reference_gemm<fp32>({{a, 2, 3}}, {{a, 2, 3}}, matrix_view<float>(out, 2, 2))),
                      Catch::Matchers::Contains("2 x 3") && Catch::Matchers::Contains("rhs is 2 x 3"));
    CHECK_THROWS_AS((reference_gemm<fp32>({{a, 2, 3}}, {{a, 3, 2}}, matrix_view<float>(out, 1, 2))), shape_error);
    CHECK(out[0] == 5);
}
