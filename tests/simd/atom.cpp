// SPDX-License-Identifier: Apache-2.0

// Every atom of this program's arch is lanes_atom with its numbers, step by step: at the extremes of its types, where
// they are exact, and for random ones.

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "intaglio/simd/native.hpp"
#include "support/catch.hpp"

namespace {

using namespace intaglio;

/// Elements of an operand: random, or each the least or the largest. `most` bounds the magnitude.
template <class T>
std::vector<T> draw(std::mt19937& random, dim_t count, std::int64_t most, bool extremes) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& v : values) {
        if constexpr (std::is_floating_point_v<T>) {
            v = static_cast<T>(static_cast<double>(static_cast<std::int64_t>(random()) - (std::int64_t{1} << 31)) *
                               0x1p-20);
        } else {
            const std::int64_t low = std::is_signed_v<T> ? -most : 0;
            v = static_cast<T>(
                extremes ? (random() % 2 ? low : most)
                         : low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most - low + 1)));
        }
    }
    return values;
}

/// `most_rhs` and `steps` keep the sums within the accumulator: an int16 one holds half of the products of pair-sums at
/// least.
template <class Product, class L, class R>
void check_atom(std::int64_t most_lhs, std::int64_t most_rhs, int steps) {
    using atom = simd::atom_for<simd::native_arch, Product>;
    using lane = typename atom::lane;
    using lanes = simd::lanes_atom<atom::m, atom::n, atom::k, L, R, lane>;
    static_assert(std::is_same_v<typename atom::lhs, L> && std::is_same_v<typename atom::rhs, R>);
    std::mt19937 random(3);
    for (const bool extremes : {true, false})
        for (int repeat = 0; repeat < 20; ++repeat) {
            const auto a = draw<L>(random, atom::m * atom::k * steps, most_lhs, extremes);
            const auto b = draw<R>(random, atom::n * atom::k * steps, most_rhs, extremes);
            lane sums[atom::m * atom::n], expected[atom::m * atom::n];
            auto c = atom::zero();
            auto e = lanes::zero();
            for (int s = 0; s < steps; ++s) {
                const L* row = a.data() + s * atom::m * atom::k;
                const R* panel = b.data() + s * atom::n * atom::k;
                atom::step(c, atom::load_lhs(row, atom::k), atom::load_rhs(panel));
                lanes::step(e, lanes::load_lhs(row, atom::k), lanes::load_rhs(panel));
                atom::store(c, sums, atom::n);
                lanes::store(e, expected, atom::n);
                INFO("step " << s << " of a " << atom::m << " x " << atom::n << " x " << atom::k << " atom"
                             << (extremes ? ", extremes" : ""));
                REQUIRE(std::memcmp(sums, expected, sizeof sums) == 0);
            }
            if constexpr (requires { typename atom::scale_fragment; }) { // total += sum * scale
                std::uint8_t scales[atom::n];
                std::int32_t totals[atom::n];
                for (int j = 0; j < atom::n; ++j) {
                    scales[j] = static_cast<std::uint8_t>(random() % 256);
                    totals[j] = static_cast<std::int32_t>(random() % 1000);
                    if constexpr (requires { atom::largest_scaled; })
                        if (expected[j] > atom::largest_scaled || expected[j] < -atom::largest_scaled) return;
                    expected[j] = totals[j] + expected[j] * scales[j];
                }
                simd::store_vector(totals, atom::multiply_add(simd::load_vector<typename atom::totals>(totals), c,
                                                              atom::load_scales(scales)));
                CHECK(std::memcmp(totals, expected, sizeof totals) == 0);
            }
            if constexpr (requires { atom::load(c, sums, atom::n); }) { // sums go on from memory
                atom::load(c, sums, atom::n);
                lane again[atom::m * atom::n];
                atom::store(c, again, atom::n);
                CHECK(std::memcmp(again, sums, sizeof sums) == 0);
            }
            if constexpr (requires { atom::carry(c, sums, sums, atom::n); }) { // high + low parts are the sums
                lane from[atom::m * atom::n], high[atom::m * atom::n] = {}, low[atom::m * atom::n];
                for (lane& f : from) f = static_cast<lane>(random() % 1000);
                atom::carry(c, from, high, atom::n);
                atom::store(c, low, atom::n);
                for (int j = 0; j < atom::m * atom::n; ++j) {
                    CHECK((low[j] >= 0 && low[j] < 1 << simd::carry_bits));
                    CHECK((high[j] - from[j]) * (std::int64_t{1} << simd::carry_bits) + low[j] == sums[j]);
                }
            }
        }
}

} // namespace

TEST_CASE("atom: FP32 is one fused multiply-add for each step", "[unit][exact]") {
    check_atom<simd::product<float, float, float>, float, float>(0, 0, 50);
}

TEST_CASE("atom: INT16 into INT32", "[unit][exact]") {
    // two products are all that fits
    check_atom<simd::product<std::int16_t, std::int16_t, std::int32_t>, std::int16_t, std::int16_t>(32767, 32767, 1);
    check_atom<simd::product<std::int16_t, std::int16_t, std::int32_t>, std::int16_t, std::int16_t>(4095, 4095, 64);
}

TEST_CASE("atom: bytes into INT32", "[unit][exact]") {
    if constexpr (simd::multiplies_bytes(simd::native_arch{}) && !simd::multiplies_byte_planes(simd::native_arch{})) {
        check_atom<simd::product<std::uint8_t, std::int8_t, std::int32_t>, std::uint8_t, std::int8_t>(255, 127, 200);
        // sums that fit scale pairs
        check_atom<simd::product<std::uint8_t, std::int8_t, std::int32_t>, std::uint8_t, std::int8_t>(255, 1, 16);
    }
    if constexpr (simd::multiplies_signed_bytes(simd::native_arch{}) &&
                  !simd::multiplies_byte_planes(simd::native_arch{}))
        check_atom<simd::product<std::int8_t, std::int8_t, std::int32_t>, std::int8_t, std::int8_t>(127, 127, 200);
    check_atom<simd::product<std::int32_t, std::int32_t, std::int64_t>, std::int32_t, std::int32_t>(134217727,
                                                                                                    134217727, 100);
}

TEST_CASE("atom: u8 and small codes into INT16", "[unit][exact]") {
    using codes = simd::product<std::uint8_t, std::int8_t, std::int16_t>;
    if constexpr (std::is_same_v<typename simd::atom_for<simd::native_arch, codes>::lane, std::int32_t>) {
        check_atom<codes, std::uint8_t, std::int8_t>(255, 1, 16); // 64 products
        check_atom<codes, std::uint8_t, std::int8_t>(255, 4, 8);  // 32
        check_atom<codes, std::uint8_t, std::int8_t>(255, 31, 1); // 4
    } else {
        check_atom<codes, std::uint8_t, std::int8_t>(255, 1, 16);
    }
}
