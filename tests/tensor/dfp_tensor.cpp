// SPDX-License-Identifier: Apache-2.0
#include "intaglio/tensor/dfp_tensor.hpp"

#include "support/catch.hpp"

namespace intaglio {

TEST_CASE("a dynamic fixed point tensor is mantissas times a power of two", "[unit][exact]") {
    dfp_tensor<fixed<16>> t{tensor<std::int16_t>({3}), -14};
    t.mantissas[0] = 16384;
    t.mantissas[1] = -32767;
    REQUIRE(t.value(0) == 1);
    REQUIRE(t.value(1) == -32767.0 / 16384);
    REQUIRE(t.value(2) == 0);
    REQUIRE(t.shape() == extents{3});
    t.exponent = -180;
    REQUIRE(t.scale() * 0x1p180 == 1);
    REQUIRE(dfp_tensor<fixed<8>>{}.size() == 0);
    REQUIRE(dfp_tensor<fixed<8>>{}.shape() == extents{0});
}

TEST_CASE("a tensor of planar bytes has the shape of its numbers", "[unit][exact]") {
    dfp_tensor<planar_bytes> t{tensor<std::uint8_t>({2, 3, 2}), -14};
    t.mantissas[1] = 0x80; // high
    t.mantissas[7] = 0x01; // low
    REQUIRE(t.shape() == extents{3, 2});
    REQUIRE(t.size() == 6);
    REQUIRE(t.plane_stride() == 6);
    REQUIRE(t.mantissa(1) == -32767);
    REQUIRE(t.value(1) == -32767.0 / 16384);
    REQUIRE(t.matrix(3, 2).data() == t.data());
    REQUIRE(t.matrix(2, 3).row_stride() == 3);
    REQUIRE_THROWS_AS(t.matrix(2, 6), shape_error);
    REQUIRE(dfp_tensor<planar_bytes>{}.size() == 0);
    REQUIRE(dfp_tensor<planar_bytes>{}.shape() == extents{0});
    REQUIRE(dfp_tensor<planar_bytes>::stored_shape({}) == extents{2});
}

} // namespace intaglio
