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
}

} // namespace intaglio
