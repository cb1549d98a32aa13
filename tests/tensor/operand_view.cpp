// SPDX-License-Identifier: Apache-2.0

// Operands whose blocks, planes, ranges or numbers of scales are not those of the policy are refused before anything is
// packed, with both sides in the text.

#include "intaglio/tensor/operand_view.hpp"

#include <cstdint>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "intaglio/quantize/blocks.hpp"
#include "intaglio/quantize/int8.hpp"
#include "intaglio/quantize/residual.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

using namespace intaglio;

namespace {

constexpr intaglio::dim_t rows = 3, cols = 70;

std::vector<float> weights() {
    std::vector<float> w(rows * cols);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 13) - 6;
    return w;
}

template <class P, class Tensor>
auto rhs(const Tensor& t) {
    return t.template as_rhs<rhs_view<P>>();
}

} // namespace

TEST_CASE("blocks of another length than the policy's are refused", "[unit]") {
    const auto w = weights();
    const auto whole_rows = quantize_blocks<fixed<4>>(w, rows, cols);
    CHECK(mentions<shape_error>([&] { rhs<int4_blocks>(whole_rows); }, "block tensor", "for 70 elements", "for 32"));
    const auto of_16 = quantize_blocks<fixed<4>>(w, rows, cols, {.block = 16});
    CHECK_THROWS_AS(rhs<int4_blocks>(of_16), shape_error);
    CHECK(rhs<int4_blocks>(quantize_blocks<fixed<4>>(w, rows, cols, {.block = 32})).scales.size() == 9);
    CHECK(mentions<shape_error>([&] { rhs<int8_inference>(quantize_blocks<fixed<8>>(w, rows, cols, {.block = 32})); },
                                "for 32 elements of 70", "a whole row"));
    CHECK(rhs<int8_inference>(quantize_int8_rows(w, rows, cols)).scales.size() == 3);

    const auto ternary = quantize_residual(w, rows, cols, {.planes = 2, .block = 32});
    CHECK(mentions<shape_error>([&] { rhs<ternary8_inference<2>>(ternary); }, "ternary tensor", "for 32", "for 64"));
    const auto locked = quantize_locked(w, rows, cols, {.digits = 2, .block = 32});
    CHECK(mentions<shape_error>([&] { rhs<ternary8_locked<2>>(locked); }, "locked tensor", "for 32", "for 64"));
    CHECK((rhs<ternary8_inference<2, 32>>(ternary).scales.size() == 18));
    CHECK((rhs<ternary8_locked<2, 32>>(locked).scales.size() == 9));
    const auto lhs = quantize_blocks<fixed<14>>(w, rows, cols, {.block = 64});
    CHECK_THROWS_AS(lhs.as_lhs<lhs_view<int16_blocks>>(), shape_error);

    // one block of any length is one block
    CHECK(rhs<int4_blocks>(quantize_blocks<fixed<4>>(std::span(w).first(60), 3, 20)).scales.size() == 3);
    CHECK((rhs<ternary8_inference<1>>(quantize_residual(std::span(w).first(60), 3, 20, {.planes = 1, .block = 32}))
               .scales.size() == 3));
}

TEST_CASE("planes and digits that the tensor has not are refused", "[unit]") {
    const auto w = weights();
    const auto two = quantize_residual(w, rows, cols, {.planes = 2});
    CHECK(mentions<shape_error>([&] { rhs<ternary8_inference<3>>(two); }, "2 planes", "sums 3"));
    CHECK(rhs<ternary8_inference<1>>(two).scales.size() == 6); // the dial
    CHECK(rhs<ternary8_inference<2>>(two).scales.size() == 12);
    const auto three = quantize_locked(w, rows, cols, {.digits = 3});
    CHECK(mentions<value_error>([&] { rhs<ternary8_locked<2>>(three); }, "up to 13", "go to 4"));
    CHECK(rhs<ternary8_locked<2>>(truncate_locked(three, 2)).scales.size() == 6);
    CHECK(rhs<ternary8_locked<3>>(truncate_locked(three, 2)).scales.size() == 6); // fewer digits are in range
    const auto bytes = quantize_blocks<fixed<8>>(w, rows, cols, {.block = 32});
    CHECK(mentions<value_error>([&] { rhs<int4_blocks>(bytes); }, "up to 127", "go to 7"));
}

TEST_CASE("a view has the scales and planes that its policy asks for", "[unit]") {
    const std::vector<std::int8_t> w(2 * rows * cols);
    const std::vector<std::uint8_t> scales(100, 1);
    const std::vector<float> floats(100, 1.0F);
    const auto values = matrix_view<const std::int8_t>(w.data(), rows, cols).transposed();
    const auto blocks = [&](std::size_t count, intaglio::dim_t plane_stride) {
        rhs_view<ternary8_inference<2>> view{values, 1, std::span(scales).first(count), plane_stride};
        pack_rhs<ternary8_inference<2>>(view);
    };
    CHECK_NOTHROW(blocks(12, rows * cols));
    CHECK(mentions<shape_error>([&] { blocks(6, rows * cols); }, "rhs has 6 scales", "2 planes", "12"));
    CHECK_THROWS_AS(blocks(13, rows * cols), shape_error);
    CHECK(mentions<value_error>([&] { blocks(12, 0); }, "2 planes", "plane_stride"));
    const auto columns = [&](std::size_t count) {
        pack_rhs<int8_inference>(rhs_view<int8_inference>{values, 1, std::span(floats).first(count)});
    };
    CHECK_NOTHROW(columns(3));
    CHECK(mentions<shape_error>([&] { columns(70); }, "70 scales", "3"));
    CHECK_THROWS_AS(columns(0), shape_error);
    const std::vector<std::int16_t> numbers(6);
    lhs_view<dfp16_training> whole{{numbers.data(), 2, 3}, 1, floats};
    std::vector<float> out(4);
    CHECK(mentions<shape_error>(
        [&] {
            gemm<dfp16_training>(whole, rhs_view<dfp16_training>{{numbers.data(), 3, 2}},
                                 matrix_view<float>(out.data(), 2, 2));
        },
        "lhs has 100 scales", "whole tensor"));
}
