// SPDX-License-Identifier: Apache-2.0
#include "intaglio/tensor/ternary_tensor.hpp"

#include <limits>

#include "intaglio/gemm/presets.hpp"
#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("planes, rows and blocks lie where the drawing says", "[unit]") {
    ternary_tensor t(2, 2, 5, 2);
    REQUIRE(t.blocks() == 3);
    REQUIRE(t.plane_stride() == 10);
    REQUIRE(t.trits(1, 1) == t.trits() + 15);
    REQUIRE(&t.scale(1, 1, 2) == t.scales() + 11);
    t.set_factor(0.5);
    t.trits(0, 1)[4] = -1;
    t.trits(1, 1)[4] = 1;
    t.scale(0, 1, 2) = 200;
    t.scale(1, 1, 2) = 30;
    REQUIRE(t.value(1, 4) == -85);
    REQUIRE(t.value(1, 4, 1) == -100);
    REQUIRE(t.value(1, 4, 0) == 0);
    REQUIRE(t.plane(1)(1, 4) == 1);
}

TEST_CASE("a tensor is the right-hand side of a product, transposed, at any level", "[unit]") {
    ternary_tensor t(2, 3, 64, 64);
    t.set_factor(0.25);
    const auto both = t.as_rhs<rhs_view<ternary8_inference<2>>>();
    const auto first = t.as_rhs<rhs_view<ternary8_inference<1>>>();
    REQUIRE(both.values.rows() == 64);
    REQUIRE(both.values.cols() == 3);
    REQUIRE(&both.values(5, 2) == t.trits(0, 2) + 5);
    REQUIRE(both.plane_stride == 192);
    REQUIRE(both.scale == 0.25);
    REQUIRE(both.scales.data() == t.scales());
    REQUIRE(first.values.data() == both.values.data());

    locked_tensor w(3, 3, 64, 64);
    const auto locked = w.as_rhs<rhs_view<ternary8_locked<3>>>();
    REQUIRE(&locked.values(5, 2) == w.codes(2) + 5);
    REQUIRE(locked.scales.data() == w.scales());
}

TEST_CASE("ternary sizes that make no sense", "[unit]") {
    constexpr auto huge = std::numeric_limits<dim_t>::max();
    REQUIRE_THROWS_AS(ternary_tensor(0, 1, 1, 1), shape_error);
    REQUIRE_THROWS_AS(ternary_tensor(1, -1, 1, 1), shape_error);
    REQUIRE_THROWS_AS(ternary_tensor(1, 1, 1, 0), shape_error);
    REQUIRE_THROWS_AS(ternary_tensor(2, huge, 1, 64), shape_error);
    REQUIRE_THROWS_AS(locked_tensor(6, 1, 1, 1), value_error);
    REQUIRE_THROWS_AS(locked_tensor(1, 1, huge, 64), shape_error); // too large to allocate
    REQUIRE(ternary_tensor(1, 1, 10, huge).blocks() == 1);
    REQUIRE(ternary_tensor().blocks() == 0);
}

} // namespace intaglio
