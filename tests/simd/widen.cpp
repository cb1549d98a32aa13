// SPDX-License-Identifier: Apache-2.0

// Every integer of 8 and 16 bits as a wider number, in vectors of all sizes. Built for each instruction set.

#include <cstdint>
#include <limits>
#include <vector>

#include "intaglio/simd/arch/widen.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

template <class T, class To, int Lanes>
void check() {
    if constexpr (Lanes * static_cast<int>(sizeof(To)) <= simd::widest_vector) {
        std::vector<T> all;
        for (std::int32_t i = std::numeric_limits<T>::min(); i <= std::numeric_limits<T>::max(); ++i)
            all.push_back(static_cast<T>(i));
        int wrong = 0;
        for (std::size_t e = 0; e < all.size(); e += Lanes) {
            const auto v = simd::convert_vector<To, Lanes>(all.data() + e);
            for (int i = 0; i < Lanes; ++i) wrong += v[i] != static_cast<To>(all[e + static_cast<std::size_t>(i)]);
        }
        INFO(Lanes << " elements of " << sizeof(T) << " bytes as " << sizeof(To));
        CHECK(wrong == 0);
    }
}
template <class T>
void check_all() {
    check<T, std::int32_t, 4>();
    check<T, std::int32_t, 8>();
    check<T, std::int32_t, 16>();
    check<T, float, 4>();
    check<T, float, 8>();
    check<T, float, 16>();
    check<T, double, 4>();
    check<T, double, 8>();
}

} // namespace

TEST_CASE("integers of 8 and 16 bits are widened", "[unit][exact]") {
    check_all<std::int8_t>();
    check_all<std::uint8_t>();
    check_all<std::int16_t>();
    check_all<std::uint16_t>();
}
