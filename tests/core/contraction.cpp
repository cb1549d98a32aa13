// SPDX-License-Identifier: Apache-2.0
#include "intaglio/core/contraction.hpp"

#include "support/catch.hpp"
#include "support/float_mode.hpp"

using namespace intaglio;

TEST_CASE("the library's own build keeps products and sums apart", "[unit][core]") {
    CHECK_FALSE(contracts());
    for (const float_mode& mode : float_modes()) {
        bool fused = true;
        {
            const in_float_mode set(mode);
            fused = contracts();
        }
        CAPTURE(mode.name);
        CHECK_FALSE(fused);
    }
}
