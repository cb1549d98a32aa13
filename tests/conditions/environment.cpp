// SPDX-License-Identifier: Apache-2.0

// Whatever floating-point environment the caller has, and whatever the threads have that work for it: the same bits,
// and the caller's environment is as it was.

#include <algorithm>
#include <memory>
#include <vector>

#include "conditions/families.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "support/catch.hpp"
#include "support/float_mode.hpp"

using namespace intaglio;
using namespace intaglio::conditions;

TEST_CASE("results don't depend on the caller's floating-point environment", "[exact]") {
    if (float_modes().empty()) {
        WARN("skipped: this machine's floating-point environment is left alone");
        return;
    }
    thread_pool usual(3);
    for (const family& f : families()) {
        const bytes expected = result_of(f, {});
        CHECK(result_of(f, usual) == expected);
        for (const float_mode& mode : float_modes()) {
            bool serial = false, with_usual = false, with_unusual = false, holds = false;
            {
                const in_float_mode set(mode);
                thread_pool unusual(3); // its threads inherit the mode
                serial = result_of(f, {}) == expected;
                with_usual = result_of(f, usual) == expected;
                with_unusual = result_of(f, unusual) == expected;
                holds = set.holds();
            }
            CAPTURE(f.name, mode.name);
            CHECK(serial);
            CHECK(with_usual);
            CHECK(with_unusual);
            CHECK(holds);
        }
    }
}

TEST_CASE("a denormal tensor is not quantized to zeros under FTZ and DAZ", "[unit]") {
    const std::vector<float> values{0x1p-130F, -0x1p-131F, 0x1p-149F, 0};
    for (const float_mode& mode : float_modes()) {
        dfp_tensor<fixed<16>> t;
        {
            const in_float_mode set(mode);
            t = quantize_dfp<fixed<16>>(values, {4});
        }
        CAPTURE(mode.name);
        CHECK(t.exponent == -144);
        CHECK(std::vector<std::int16_t>(t.mantissas.begin(), t.mantissas.end()) ==
              std::vector<std::int16_t>{1 << 14, -(1 << 13), 0, 0});
    }
}
