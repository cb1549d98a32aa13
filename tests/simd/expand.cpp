// SPDX-License-Identifier: Apache-2.0

// Codes come back from their narrow forms: every code at every place of 2 and 4 bits, and all 243 bytes of five trits
// in every lane.

#include "intaglio/simd/expand.hpp"

#include <vector>

#include "support/catch.hpp"

namespace {

using namespace intaglio;

template <int Bits>
void check_bits() {
    constexpr int codes = 2 * simd::narrow_largest<Bits> + 1;
    constexpr dim_t groups = 3, count = groups * simd::narrow_group<Bits>;
    std::vector<std::int8_t> original(count), expanded(count);
    std::vector<std::uint8_t> stored(64 * groups);
    for (int first = 0; first < codes; ++first) { // each code at each place
        for (dim_t i = 0; i < count; ++i)
            original[static_cast<std::size_t>(i)] =
                static_cast<std::int8_t>((first + i + i / 64) % codes - simd::narrow_largest<Bits>);
        simd::narrow<Bits>(original.data(), groups, stored.data());
        simd::expand<Bits>(stored.data(), groups, expanded.data());
        CHECK(expanded == original);
    }
}

void check_trits() {
    constexpr dim_t groups = 2, count = groups * simd::trit_group;
    std::vector<std::int8_t> original(count), expanded(count);
    std::vector<std::uint8_t> stored(64 * groups);
    for (int first = 0; first < 243; ++first) {
        for (dim_t g = 0; g < groups; ++g)
            for (dim_t b = 0; b < 64; ++b) {
                int rest = static_cast<int>((first + 64 * g + b) % 243);
                for (dim_t t = 0; t < 5; ++t, rest /= 3)
                    original[static_cast<std::size_t>(g * simd::trit_group + 64 * t + b)] =
                        static_cast<std::int8_t>(rest % 3 - 1);
            }
        simd::narrow_trits(original.data(), groups, stored.data());
        simd::expand_trits(stored.data(), groups, expanded.data());
        CHECK(expanded == original);
    }
}

} // namespace

TEST_CASE("codes in 2 and 4 bits come back", "[unit][exact]") {
    check_bits<2>();
    check_bits<4>();
}

TEST_CASE("five trits in a byte come back, whichever they are", "[unit][exact]") { check_trits(); }
