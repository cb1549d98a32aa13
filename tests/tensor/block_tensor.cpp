// SPDX-License-Identifier: Apache-2.0
#include "intaglio/tensor/block_tensor.hpp"

#include "intaglio/gemm/presets.hpp"
#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("a block tensor has a scale for each block of each row", "[unit]") {
    block_tensor<fixed<4>> t(2, 70, 32);
    REQUIRE(t.blocks() == 3);
    t.values(1)[69] = -7;
    t.scale(1, 2) = 0.5F;
    REQUIRE(&t.scale(1, 2) == t.scales() + 5);
    REQUIRE(t.value(1, 69) == -3.5);
    const auto rhs = t.as_rhs<rhs_view<int4_blocks>>();
    REQUIRE(rhs.values.rows() == 70);
    REQUIRE(rhs.values(69, 1) == -7);
    REQUIRE(rhs.scales.data() == t.scales());
    block_tensor<fixed<14>> x(2, 70, 32);
    REQUIRE(x.as_lhs<lhs_view<int16_blocks>>().values.rows() == 2);
    const block_tensor<fixed<8>> hollow(3, 0, 32); // a row of nothing has a scale where rows have one
    REQUIRE(hollow.as_rhs<rhs_view<int8_inference>>().scales.size() == 3);
    REQUIRE((block_tensor<fixed<4>>(3, 0, 32).as_rhs<rhs_view<int4_blocks>>().scales.empty()));
    REQUIRE_THROWS_AS(block_tensor<fixed<4>>(2, 70, 0), shape_error);
    REQUIRE_THROWS_AS(block_tensor<fixed<4>>(-2, 70, 32), shape_error);
}

} // namespace intaglio
