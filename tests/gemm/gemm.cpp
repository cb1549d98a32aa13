// SPDX-License-Identifier: Apache-2.0

// The edge of gemm: what it refuses, with both sides named and every argument left as it was; empty products; packed
// operands that are shared; the checked mode; the portable tile arch, which proves that nothing above the atom assumes
// single rows.

#include "intaglio/gemm/gemm.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <thread>
#include <type_traits>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/reference.hpp"
#include "support/catch.hpp"
#include "support/pattern.hpp"
#include "support/planes.hpp"

using namespace intaglio;
using Catch::Matchers::Contains;

namespace {

template <class T>
bool untouched(const std::vector<T>& v, T expected) {
    for (const T& x : v)
        if (std::memcmp(&x, &expected, sizeof(T)) != 0) return false;
    return true;
}

} // namespace

TEST_CASE("gemm refuses shapes that don't fit and names them", "[unit]") {
    const auto a = pattern<float>(100, -5, 5);
    std::vector<float> out(100, 42.0F);
    const auto product = [&](matrix_view<const float> lhs, matrix_view<const float> rhs, matrix_view<float> o) {
        gemm<fp32>(lhs_view<fp32>{lhs}, rhs_view<fp32>{rhs}, o);
    };
    const float* p = a.data();
    CHECK_THROWS_AS(product({p, 3, 4}, {p, 5, 2}, {out.data(), 3, 2}), shape_error);
    CHECK_THROWS_WITH(product({p, 3, 4}, {p, 5, 2}, {out.data(), 3, 2}), Contains("3 x 4") && Contains("5 x 2"));
    CHECK_THROWS_AS(product({p, 3, 4}, {p, 4, 2}, {out.data(), 3, 3}), shape_error);
    CHECK_THROWS_WITH(product({p, 3, 4}, {p, 4, 2}, {out.data(), 3, 3}), Contains("3 x 2") && Contains("3 x 3"));
    CHECK_THROWS_AS(product({p, -1, 4}, {p, 4, 2}, {out.data(), -1, 2}), shape_error);
    CHECK_THROWS_AS(product({p, 3, -4}, {p, -4, 2}, {out.data(), 3, 2}), shape_error);
    CHECK_THROWS_AS(product({nullptr, 3, 4}, {p, 4, 2}, {out.data(), 3, 2}), value_error);
    CHECK_THROWS_AS(product({p, 3, 4}, {nullptr, 4, 2}, {out.data(), 3, 2}), value_error);
    CHECK_THROWS_AS(product({p, 3, 4}, {p, 4, 2}, {nullptr, 3, 2}), value_error);
    CHECK(untouched(out, 42.0F));

    const auto packed = pack_rhs<fp32>(rhs_view<fp32>{{p, 4, 2}});
    CHECK(packed.k() == 4);
    CHECK(packed.n() == 2);
    CHECK(packed.bytes() > 0);
    CHECK_THROWS_AS(gemm<fp32>(lhs_view<fp32>{{p, 3, 5}}, packed, matrix_view<float>(out.data(), 3, 2)), shape_error);
    CHECK(untouched(out, 42.0F));
}

TEST_CASE("an output that shares memory with lhs is refused, one that lies beside it is not", "[unit]") {
    std::vector<float> memory(64, 1.0F);
    const auto b = pattern<float>(16, -5, 5);
    const auto packed = pack_rhs<fp32>({{b.data(), 4, 4}});
    const auto product = [&](matrix_view<const float> lhs, matrix_view<float> out) { gemm<fp32>({lhs}, packed, out); };
    float* const p = memory.data();
    for (const matrix_view<float>& out :
         {matrix_view<float>(p, 4, 4), matrix_view<float>(p + 15, 4, 4), matrix_view<float>(p + 15, 4, 4, -3),
          matrix_view<float>(p, 4, 4).transposed()}) {
        CHECK_THROWS_AS(product({p, 4, 4}, out), value_error);
        CHECK_THROWS_WITH(product({p, 4, 4}, out), Contains("shares memory with lhs"));
    }
    CHECK(untouched(memory, 1.0F));
    const std::int16_t numbers[8] = {};
    std::vector<std::int64_t> totals(4, 7);
    const lhs_view<dfp16_planar> high{{reinterpret_cast<const std::uint8_t*>(numbers), 2, 2},
                                      1,
                                      {},
                                      reinterpret_cast<const std::uint8_t*>(totals.data()) -
                                          reinterpret_cast<const std::uint8_t*>(numbers)};
    const rhs_view<dfp16_planar> rhs{{reinterpret_cast<const std::uint8_t*>(numbers), 2, 2}, 1, {}, 4};
    CHECK_THROWS_AS(gemm<dfp16_planar>(high, rhs, matrix_view<std::int64_t>(totals.data(), 2, 2)), value_error);

    product({p, 4, 4, 8}, {p + 4, 4, 4, 8}); // columns 0 .. 3 and 4 .. 7 of one buffer
    std::vector<float> expected(16);
    const std::vector<float> ones(16, 1.0F);
    product({ones.data(), 4, 4}, {expected.data(), 4, 4});
    for (std::size_t e = 0; e < 16; ++e) CHECK(memory[e / 4 * 8 + 4 + e % 4] == expected[e]);
    auto square = b; // rhs was copied when it was packed
    gemm<fp32>({{ones.data(), 4, 4}}, rhs_view<fp32>{{square.data(), 4, 4}}, matrix_view<float>(square.data(), 4, 4));
    CHECK(square == expected);
}

TEST_CASE("gemm refuses elements outside of their format and names the first", "[unit]") {
    auto a = pattern<std::int16_t>(6, -100, 100), b = pattern<std::int16_t>(6, -100, 100);
    std::vector<std::int64_t> out(4, -7);
    const auto product = [&] {
        gemm<dfp16_training>(lhs_view<dfp16_training>{{a.data(), 2, 3}}, rhs_view<dfp16_training>{{b.data(), 3, 2}},
                             matrix_view<std::int64_t>(out.data(), 2, 2));
    };
    b[3] = -32768; // row 1, column 1
    CHECK_THROWS_AS(product(), value_error);
    CHECK_THROWS_WITH(product(), Contains("rhs") && Contains("-32768") && Contains("(1, 1)"));
    CHECK(untouched<std::int64_t>(out, -7));
    b[3] = 1;
    product();
    CHECK(out[0] == std::int64_t{a[0]} * b[0] + std::int64_t{a[1]} * b[2] + std::int64_t{a[2]} * b[4]);

    const std::uint8_t u[] = {1, 2};
    const std::int8_t not_a_trit[] = {0, 2};
    const std::uint8_t scales[] = {1};
    std::int32_t total = -7;
    CHECK_THROWS_AS((gemm<ternary8_inference<1>>(lhs_view<ternary8_inference<1>>{{u, 1, 2}},
                                                 rhs_view<ternary8_inference<1>>{{not_a_trit, 2, 1}, 1, scales},
                                                 matrix_view<std::int32_t>(&total, 1, 1))),
                    value_error);
    CHECK_THROWS_WITH((gemm<ternary8_inference<1>>(lhs_view<ternary8_inference<1>>{{u, 1, 2}},
                                                   rhs_view<ternary8_inference<1>>{{not_a_trit, 2, 1}, 1, scales},
                                                   matrix_view<std::int32_t>(&total, 1, 1))),
                      Contains("rhs") && Contains("2 at (1, 0)"));
    CHECK(total == -7);
    const std::int8_t trits[] = {0, 1};
    CHECK_THROWS_AS((gemm<ternary8_inference<1>>(lhs_view<ternary8_inference<1>>{{u, 1, 2}},
                                                 rhs_view<ternary8_inference<1>>{{trits, 2, 1}, 1, {}},
                                                 matrix_view<std::int32_t>(&total, 1, 1))),
                    shape_error); // no scales
}

TEST_CASE("lhs of a proven product may be any int16", "[unit][exact]") {
    for (const intaglio::dim_t k : {1, 2, 3, 300, 2000}) {
        const std::vector<std::int16_t> a(static_cast<std::size_t>(3 * k), -32768);
        auto b = pattern<std::int16_t>(static_cast<std::size_t>(k * 5), -32767, 32767);
        for (intaglio::dim_t j = 0; j < k; ++j) b[static_cast<std::size_t>(j * 5)] = -32767;
        std::vector<std::int64_t> out(15), expected(15);
        const lhs_view<dfp16_training> lhs{{a.data(), 3, k}};
        const rhs_view<dfp16_training> rhs{{b.data(), k, 5}};
        gemm<dfp16_training>(lhs, rhs, matrix_view<std::int64_t>(out.data(), 3, 5));
        reference_gemm<dfp16_training>(lhs, rhs, matrix_view<std::int64_t>(expected.data(), 3, 5));
        CHECK(out == expected);
        CHECK(out[0] == k * std::int64_t{32768} * 32767);
    }
}

TEST_CASE("gemm refuses a reduction whose sum may not fit the total", "[unit]") {
    // 255 * 127 * k passes 2^31 - 1 at k = 66,312; no element is read before the refusal
    const std::vector<std::uint8_t> a(66'312);
    const std::vector<std::int8_t> b(66'312);
    const float one = 1;
    std::int32_t out = 9;
    const auto product = [&](std::ptrdiff_t k) {
        gemm<int8_inference>(lhs_view<int8_inference>{{a.data(), 1, k}},
                             rhs_view<int8_inference>{{b.data(), k, 1}, 1, {&one, 1}},
                             matrix_view<std::int32_t>(&out, 1, 1));
    };
    CHECK_THROWS_AS(product(66'312), value_error);
    CHECK_THROWS_WITH(product(66'312), Contains("66312") && Contains("66311"));
    CHECK(out == 9);
    product(66'311);
    CHECK(out == 0);
}

namespace {

/// One row of 255 times two columns of the largest codes, whose blocks of 64 have the scales `first` and `second`.
template <class P>
typename P::total scaled_product(std::ptrdiff_t k, int first, int second) {
    const std::vector<std::uint8_t> a(static_cast<std::size_t>(k), 255);
    const std::vector<std::int8_t> b(static_cast<std::size_t>(2 * k * P::rhs::planes), P::rhs::format::max_magnitude);
    const std::ptrdiff_t blocks = (k + 63) / 64;
    std::vector<std::uint8_t> scales;
    for (int p = 0; p < P::rhs::planes; ++p)
        for (const int scale : {first, second})
            scales.insert(scales.end(), static_cast<std::size_t>(blocks), static_cast<std::uint8_t>(scale));
    rhs_view<P> rhs{{b.data(), k, 2, 1, k}, 1, scales};
    rhs.plane_stride = 2 * k;
    typename P::total out[2] = {-7, -7}, expected[2] = {};
    const lhs_view<P> lhs{{a.data(), 1, k}};
    gemm<P>(lhs, rhs, matrix_view<typename P::total>(out, 1, 2));
    reference_gemm<P>(lhs, rhs, matrix_view<typename P::total>(expected, 1, 2));
    CHECK(out[0] == expected[0]);
    CHECK(out[1] == expected[1]);
    return out[1];
}

struct locked3_in_64_bits : ternary8_locked<3> {
    using total = std::int64_t;
};

} // namespace

TEST_CASE("sums of codes are bounded by the scales that there are", "[unit][exact]") {
    // a 3 x 3 convolution of 512 channels, as in the last layers of ResNet-50, with the encoder's scales
    constexpr std::ptrdiff_t k = 9 * 512;
    CHECK(scaled_product<ternary8_locked<3>>(k, 9, 9) == k * 255 * 13 * 9);
    // 4,608 x 255 x 13 x 140 < 2^31 <= 4,608 x 255 x 13 x 141
    CHECK(scaled_product<ternary8_locked<3>>(k, 0, 140) == 2'138'572'800);
    CHECK_THROWS_AS((scaled_product<ternary8_locked<3>>(k, 0, 141)), value_error);
    CHECK_THROWS_WITH((scaled_product<ternary8_locked<3>>(k, 0, 141)),
                      Contains("column 1") && Contains("649728") && Contains("647808") && Contains("3315"));
    CHECK(scaled_product<locked3_in_64_bits>(k, 0, 255) == std::int64_t{k} * 255 * 13 * 255);
    // planes count together
    CHECK(scaled_product<ternary8_inference<3>>(k, 0, 255) == k * 255 * 3 * 255);
    CHECK_THROWS_AS((scaled_product<ternary8_inference<8>>(k, 0, 255)), value_error);
    CHECK(scaled_product<ternary8_inference<8>>(k, 0, 200) == k * 255 * 8 * 200);
}

TEST_CASE("lhs of a proven product counts as 32768 in bounds of totals", "[unit][exact]") {
    // 2^51 / (32768 x 32767): the longest sum that double holds with its sign's bit to spare
    constexpr std::ptrdiff_t k = 2'097'216;
    const std::vector<std::int16_t> a(k + 1, -32768), b(k + 1, -32767);
    std::int64_t total = 0;
    float value = 0;
    const rhs_view<dfp16_training> rhs{{b.data(), k, 1}};
    gemm<dfp16_training>(lhs_view<dfp16_training>{{a.data(), 1, k}}, rhs, matrix_view<std::int64_t>(&total, 1, 1));
    CHECK(total == std::int64_t{32768} * 32767 * k);
    gemm<dfp16_training>(lhs_view<dfp16_training>{{a.data(), 1, k}}, rhs, matrix_view<float>(&value, 1, 1));
    CHECK(value == static_cast<float>(static_cast<double>(total)));
    const rhs_view<dfp16_training> longer{{b.data(), k + 1, 1}};
    CHECK_THROWS_AS(pack_rhs<dfp16_training>(longer), value_error);
}

TEST_CASE("gemm of an empty reduction gives zeros, then the stages", "[unit]") {
    std::vector<float> out(6, 9.0F);
    const float b[] = {1, -2, 3};
    gemm<fp32>(lhs_view<fp32>{{nullptr, 2, 0}}, rhs_view<fp32>{{nullptr, 0, 3}}, matrix_view<float>(out.data(), 2, 3),
               epilogue{bias{b}, relu{}});
    CHECK(out == std::vector<float>{1, 0, 3, 1, 0, 3});
    std::vector<std::int64_t> totals(6, 9);
    gemm<dfp16_training>(lhs_view<dfp16_training>{{nullptr, 2, 0}}, rhs_view<dfp16_training>{{nullptr, 0, 3}},
                         matrix_view<std::int64_t>(totals.data(), 2, 3));
    CHECK(untouched<std::int64_t>(totals, 0));
    gemm<fp32>(lhs_view<fp32>{{nullptr, 0, 0}}, rhs_view<fp32>{{nullptr, 0, 0}}, matrix_view<float>(nullptr, 0, 0));
}

namespace {

/// Products of `planes` planes of trits with every storage, of one row and of more, are those of the scalar text.
template <int planes>
void check_storages(std::ptrdiff_t m, std::ptrdiff_t n, std::ptrdiff_t k) {
    using policy = ternary8_inference<planes>;
    const auto blocks = (k + policy::rhs::block - 1) / policy::rhs::block;
    const auto a = pattern<std::uint8_t>(static_cast<std::size_t>(m * k), 0, 255);
    const auto b = pattern<std::int8_t>(static_cast<std::size_t>(planes * n * k), -1, 1);
    const auto scales = pattern<std::uint8_t>(static_cast<std::size_t>(planes * n * blocks), 0, 40);
    lhs_view<policy> lhs;
    lhs.values = {a.data(), m, k};
    rhs_view<policy> rhs;
    rhs.values = {b.data(), k, n, 1, k};
    rhs.plane_stride = n * k;
    rhs.scales = scales;
    using total = typename policy::total;
    std::vector<total> expected(static_cast<std::size_t>(m * n)), result(expected.size());
    reference_gemm<policy>(lhs, rhs, matrix_view<total>(expected.data(), m, n));
    for (const rhs_storage stored : {rhs_storage::fast, rhs_storage::small, rhs_storage::smallest}) {
        gemm<policy>(lhs, pack_rhs<policy>(rhs, stored), matrix_view<total>(result.data(), m, n));
        INFO(m << " x " << n << " x " << k << ", " << planes << " planes, storage " << static_cast<int>(stored));
        CHECK(result == expected);
    }
}

} // namespace

TEST_CASE("how a packed rhs is stored doesn't show in a product", "[unit][exact]") {
    for (const auto m : {1, 2, 5, 33})
        for (const auto n : {1, 31, 33, 70})
            for (const auto k : {1, 63, 64, 65, 320, 333, 2049}) {
                check_storages<1>(m, n, k);
                check_storages<2>(m, n, k);
                check_storages<3>(m, n, k);
            }
}

TEST_CASE("five trits in a byte take a fifth less than two bits each", "[unit]") {
    using policy = ternary8_inference<1>;
    constexpr std::ptrdiff_t size = 4096;
    const auto b = pattern<std::int8_t>(size * size, -1, 1);
    const std::vector<std::uint8_t> scales(size * size / policy::rhs::block, 1);
    rhs_view<policy> rhs;
    rhs.values = {b.data(), size, size, 1, size};
    rhs.scales = scales;
    const auto bytes = [&](rhs_storage stored) { return static_cast<double>(pack_rhs<policy>(rhs, stored).bytes()); };
    CHECK(bytes(rhs_storage::smallest) <= 0.83 * bytes(rhs_storage::small));
}

TEST_CASE("factors outside of float's normal numbers, beside others, are exact", "[unit][exact]") {
    using policy = int8_inference;
    constexpr intaglio::dim_t m = 5, n = 32, k = 16;
    const auto a = pattern<std::uint8_t>(m * k, 0, 255);
    const auto b = pattern<std::int8_t>(k * n, -127, 127);
    for (const float outlier : {3e-39F, 1e-44F, 1.7e38F}) {
        std::vector<float> scales(n, 0.3F);
        for (std::size_t j = 1; j < scales.size(); j += 3) scales[j] = outlier;
        lhs_view<policy> lhs;
        lhs.values = {a.data(), m, k};
        lhs.scale = 0.7;
        rhs_view<policy> rhs;
        rhs.values = {b.data(), k, n};
        rhs.scales = scales;
        std::vector<float> expected(m * n), result(m * n);
        reference_gemm<policy>(lhs, rhs, matrix_view<float>(expected.data(), m, n));
        gemm<policy>(lhs, rhs, matrix_view<float>(result.data(), m, n));
        INFO("beside " << outlier);
        CHECK(std::memcmp(result.data(), expected.data(), result.size() * sizeof(float)) == 0);
    }
}

TEST_CASE("one packed rhs serves several threads at once", "[unit]") {
    const std::ptrdiff_t m = 37, n = 29, k = 301;
    const auto a = pattern<std::int16_t>(static_cast<std::size_t>(m * k), -32767, 32767);
    const auto b = pattern<std::int16_t>(static_cast<std::size_t>(k * n), -32767, 32767);
    std::vector<std::int64_t> expected(static_cast<std::size_t>(m * n));
    const lhs_view<dfp16_training> lhs{{a.data(), m, k}};
    const rhs_view<dfp16_training> rhs{{b.data(), k, n}};
    reference_gemm<dfp16_training>(lhs, rhs, matrix_view<std::int64_t>(expected.data(), m, n));
    const auto packed = pack_rhs<dfp16_training>(rhs);
    std::vector<std::vector<std::int64_t>> results(4, std::vector<std::int64_t>(static_cast<std::size_t>(m * n)));
    std::vector<std::thread> threads;
    for (auto& result : results)
        threads.emplace_back(
            [&] { gemm<dfp16_training>(lhs, packed, matrix_view<std::int64_t>(result.data(), m, n)); });
    for (std::thread& t : threads) t.join();
    for (const auto& result : results) CHECK(result == expected);
}

TEST_CASE("byte planes and one plane of int16 give the same product", "[unit][exact]") {
    const std::ptrdiff_t m = 19, n = 35, k = 517;
    const auto a = pattern<std::int16_t>(static_cast<std::size_t>(m * k), -32767, 32767);
    const auto b = pattern<std::int16_t>(static_cast<std::size_t>(k * n), -32767, 32767);
    std::vector<std::int64_t> one(static_cast<std::size_t>(m * n)), two(one.size());
    gemm<dfp16_training>(lhs_view<dfp16_training>{{a.data(), m, k}}, rhs_view<dfp16_training>{{b.data(), k, n}},
                         matrix_view<std::int64_t>(one.data(), m, n));
    gemm<dfp16_bytes>(lhs_view<dfp16_bytes>{{a.data(), m, k}}, rhs_view<dfp16_bytes>{{b.data(), k, n}},
                      matrix_view<std::int64_t>(two.data(), m, n));
    CHECK(one == two);
}

namespace {

/// Numbers whose bytes are at the ends of their ranges.
std::vector<std::int16_t> byte_boundaries(std::size_t count, std::size_t step) {
    constexpr std::int16_t ends[] = {-32768, -32767, -32513, -32512, -257, -256, -255, -129,  -128,  -1,
                                     0,      1,      127,    128,    255,  256,  257,  32511, 32512, 32767};
    std::vector<std::int16_t> v(count);
    for (std::size_t i = 0; i < count; ++i) v[i] = ends[(i * step + i / 7U) % std::size(ends)];
    return v;
}

/// Products of planar bytes are those of byte planes and of the scalar text, of the same numbers, on `Arch`; the
/// operands lie in rows or in columns.
template <class Planar, class Bytes, class Arch>
void check_planar(const std::vector<std::int16_t>& a, const std::vector<std::int16_t>& b, intaglio::dim_t m,
                  intaglio::dim_t n, intaglio::dim_t k) {
    const auto a_planes = planes_of(a), b_planes = planes_of(b);
    for (const bool transposed : {false, true}) {
        const auto view = [&](const auto& values, intaglio::dim_t rows, intaglio::dim_t cols) {
            using element = typename std::remove_reference_t<decltype(values)>::value_type;
            return transposed ? matrix_view<const element>(values.data(), cols, rows).transposed()
                              : matrix_view<const element>(values.data(), rows, cols);
        };
        std::vector<std::int64_t> bytes(static_cast<std::size_t>(m * n)), planar(bytes.size()), expected(bytes.size());
        const lhs_view<Planar> lhs{view(a_planes, m, k), 1, {}, m * k};
        const rhs_view<Planar> rhs{view(b_planes, k, n), 1, {}, k * n};
        gemm<Bytes, Arch>(lhs_view<Bytes>{view(a, m, k)}, rhs_view<Bytes>{view(b, k, n)},
                          matrix_view<std::int64_t>(bytes.data(), m, n));
        audit check;
        gemm<Planar, Arch>(lhs, rhs, matrix_view<std::int64_t>(planar.data(), m, n), epilogue<>{}, {}, &check);
        INFO(m << " x " << n << " x " << k << (transposed ? ", transposed" : ""));
        CHECK(planar == bytes);
        CHECK(check.overflows() == 0);
        gemm<Planar, Arch>(lhs, rhs, matrix_view<std::int64_t>(planar.data(), m, n));
        reference_gemm<Planar>(lhs, rhs, matrix_view<std::int64_t>(expected.data(), m, n));
        CHECK(planar == expected);
    }
}

} // namespace

TEST_CASE("planar bytes are the numbers of byte planes", "[unit][exact]") {
    using tile = simd::arch::portable_tile;
    const auto check = [](const auto& make) {
        for (const auto& [m, n, k] :
             {std::array<intaglio::dim_t, 3>{1, 1, 1}, {16, 16, 64}, {19, 35, 517}, {33, 18, 256}, {2, 3, 33'100}}) {
            const std::vector<std::int16_t> a = make(static_cast<std::size_t>(m * k), 3U),
                                            b = make(static_cast<std::size_t>(k * n), 11U);
            check_planar<dfp16_planar, dfp16_bytes, simd::native_arch>(a, b, m, n, k);
            check_planar<dfp16_planar, dfp16_bytes, tile>(a, b, m, n, k);
        }
    };
    check([](std::size_t count, std::size_t) { return pattern<std::int16_t>(count, -32768, 32767); });
    check(byte_boundaries);
    // low x low is 255 x 255 for three of them, which chains of 33,025 just hold
    for (const int value : {-32768, -256, -1, 255, 32767})
        check([=](std::size_t count, std::size_t) {
            return std::vector<std::int16_t>(count, static_cast<std::int16_t>(value));
        });
    const auto a = byte_boundaries(19 * 130, 3), b = byte_boundaries(130 * 35, 11);
    check_planar<dfp16_dial<3, dfp16_planar>, dfp16_dial<3>, tile>(a, b, 19, 35, 130);
    check_planar<dfp16_dial<1, dfp16_planar>, dfp16_dial<1>, simd::native_arch>(a, b, 19, 35, 130);
}

TEST_CASE("rows of planar bytes are read in place where bytes are multiplied", "[unit]") {
    using traits = intaglio::detail::kernel_traits<dfp16_planar, simd::arch::portable_tile>;
    constexpr intaglio::dim_t m = 2 * traits::rows + 5, k = 3 * traits::k;
    const auto a = planes_of(pattern<std::int16_t>(m * k, -32768, 32767));
    const auto gather = [&](matrix_view<const std::uint8_t> v, intaglio::dim_t k0, intaglio::dim_t k1,
                            intaglio::detail::worker_scratch<traits>& scratch) {
        intaglio::detail::gather_block<traits>(intaglio::detail::matrix_source<std::uint8_t>(v, m * k), 0, v.rows(), k0,
                                               k1, scratch);
    };
    intaglio::detail::worker_scratch<traits> scratch;
    gather({a.data(), m, k}, 0, k, scratch);
    REQUIRE(scratch.panels.size() == 3);
    for (std::size_t p = 0; p < 2; ++p) {
        CHECK(scratch.panels[p].data == a.data() + static_cast<intaglio::dim_t>(p) * traits::rows * k);
        CHECK(scratch.panels[p].row_stride == k);
        CHECK(scratch.panels[p].plane_stride == m * k);
    }
    CHECK(scratch.panels[2].data != a.data() + 2 * traits::rows * k); // five rows are no tile

    const auto copies = [&](matrix_view<const std::uint8_t> v, intaglio::dim_t k0, intaglio::dim_t k1) {
        intaglio::detail::worker_scratch<traits> fresh;
        gather(v, k0, k1, fresh);
        return fresh.lhs.size() > 0;
    };
    CHECK_FALSE(copies({a.data(), traits::rows, k}, traits::k, k));
    CHECK(copies({a.data(), traits::rows, k}, 0, k - 1));              // no whole steps
    CHECK(copies({a.data(), k, traits::rows, 1, k}, 0, traits::rows)); // columns
}

TEST_CASE("planar bytes without a stride between their planes are refused", "[unit]") {
    const std::uint8_t one[] = {0, 1};
    std::int64_t out = 9;
    const lhs_view<dfp16_planar> lhs{{one, 1, 1}, 1, {}, 1};
    const rhs_view<dfp16_planar> rhs{{one, 1, 1}, 1, {}, 1};
    lhs_view<dfp16_planar> flat = lhs;
    rhs_view<dfp16_planar> flat_rhs = rhs;
    flat.plane_stride = flat_rhs.plane_stride = 0;
    const auto product = [&](const auto& l, const auto& r) {
        gemm<dfp16_planar>(l, r, matrix_view<std::int64_t>(&out, 1, 1));
    };
    CHECK_THROWS_AS(product(flat, rhs), value_error);
    CHECK_THROWS_WITH(product(flat, rhs), Contains("lhs") && Contains("plane_stride"));
    CHECK_THROWS_WITH(product(lhs, flat_rhs), Contains("rhs") && Contains("plane_stride"));
    CHECK(out == 9);
    product(lhs, rhs);
    CHECK(out == 1);
}

TEST_CASE("the checked mode sees every chain and no overflow", "[unit][exact]") {
    const std::ptrdiff_t m = 9, n = 17, k = 1500;
    for (const int largest : {3, 5000, 16383, 32767}) {
        const auto a = pattern<std::int16_t>(static_cast<std::size_t>(m * k), -largest, largest);
        // all of one sign: sums grow as fast as they can
        const auto b = pattern<std::int16_t>(static_cast<std::size_t>(k * n), largest - 1, largest);
        std::vector<std::int64_t> out(static_cast<std::size_t>(m * n)), expected(out.size());
        const lhs_view<dfp16_training> lhs{{a.data(), m, k}};
        const rhs_view<dfp16_training> rhs{{b.data(), k, n}};
        audit check;
        gemm<dfp16_training>(lhs, rhs, matrix_view<std::int64_t>(out.data(), m, n), epilogue<>{}, {}, &check);
        reference_gemm<dfp16_training>(lhs, rhs, matrix_view<std::int64_t>(expected.data(), m, n));
        INFO("largest magnitude " << largest << ", " << check.chains() << " chains, largest sum " << check.largest());
        CHECK(out == expected);
        CHECK(check.chains() >= m * n);
        CHECK(check.overflows() == 0);
        CHECK(check.largest() <= std::int64_t{0x7fffffff});
    }
}

TEST_CASE("an atom of sixteen rows gives the same product", "[unit][exact]") {
    using tile = simd::arch::portable_tile;
    const std::ptrdiff_t m = 45, n = 50, k = 331;
    const auto a = pattern<std::int16_t>(static_cast<std::size_t>(m * k), -32768, 32767);
    const auto b = pattern<std::int16_t>(static_cast<std::size_t>(k * n), -32768, 32767);
    std::vector<std::int64_t> out(static_cast<std::size_t>(m * n)), expected(out.size());
    const lhs_view<dfp16_bytes> lhs{{a.data(), m, k}};
    const rhs_view<dfp16_bytes> rhs{{b.data(), k, n}};
    gemm<dfp16_bytes, tile>(lhs, rhs, matrix_view<std::int64_t>(out.data(), m, n));
    reference_gemm<dfp16_bytes>(lhs, rhs, matrix_view<std::int64_t>(expected.data(), m, n));
    CHECK(out == expected);

    const auto u = pattern<std::uint8_t>(static_cast<std::size_t>(m * k), 0, 255);
    const auto w = pattern<std::int8_t>(static_cast<std::size_t>(k * n), -127, 127);
    const std::vector<float> scales(static_cast<std::size_t>(n), 0.5F);
    std::vector<std::int32_t> out8(out.size()), expected8(out.size());
    const lhs_view<int8_inference> lhs8{{u.data(), m, k}};
    const rhs_view<int8_inference> rhs8{{w.data(), k, n}, 1, scales};
    gemm<int8_inference, tile>(lhs8, rhs8, matrix_view<std::int32_t>(out8.data(), m, n));
    reference_gemm<int8_inference>(lhs8, rhs8, matrix_view<std::int32_t>(expected8.data(), m, n));
    CHECK(out8 == expected8);
}

TEST_CASE("blocks of zeros are skipped and change nothing", "[unit][exact]") {
    using policy = ternary8_inference<2>;
    constexpr intaglio::dim_t m = 5, n = 40, k = 300, blocks = 5;
    const auto a = pattern<std::uint8_t>(m * k, 0, 255);
    auto b = pattern<std::int8_t>(2 * k * n, -1, 1);
    const std::vector<std::uint8_t> scales(2 * n * blocks, 200);
    for (const int kept : {2, 1, 0}) { // blocks whose number modulo 3 is less are left
        for (intaglio::dim_t e = 0; e < 2 * k * n; ++e)
            if (e % k / 64 % 3 >= kept) b[static_cast<std::size_t>(e)] = 0;
        std::vector<std::int32_t> out(m * n, -7), expected(m * n);
        const lhs_view<policy> lhs{{a.data(), m, k}};
        const rhs_view<policy> rhs{matrix_view<const std::int8_t>(b.data(), n, k).transposed(), 1, scales, k * n};
        gemm<policy>(lhs, rhs, matrix_view<std::int32_t>(out.data(), m, n));
        reference_gemm<policy>(lhs, rhs, matrix_view<std::int32_t>(expected.data(), m, n));
        CHECK(out == expected);
    }
}

TEST_CASE("chains of int16 sums are as long as the weights' own magnitudes allow", "[unit][exact]") {
    // of the instruction sets there are here the widest that sums pairs in int16
    using arch = std::conditional_t<std::is_base_of_v<simd::arch::avx512bw, simd::native_arch>, simd::arch::avx512bw,
                                    simd::native_arch>;
    using traits = detail::kernel_traits<int7_inference, arch>;
    constexpr intaglio::dim_t m = 7, n = 40, k = 1300;
    const std::vector<std::uint8_t> a(static_cast<std::size_t>(m * k), 255);
    const std::vector<float> scales(static_cast<std::size_t>(n), 1.0F);
    const auto longest = [&](const std::vector<std::int8_t>& b) {
        const lhs_view<int7_inference> lhs{{a.data(), m, k}};
        const rhs_view<int7_inference> rhs{{b.data(), k, n, 1, k}, 1, scales};
        std::vector<std::int32_t> out(static_cast<std::size_t>(m * n)), expected(out.size());
        audit check;
        gemm<int7_inference, arch>(lhs, rhs, matrix_view<std::int32_t>(out.data(), m, n), epilogue<>{}, {}, &check);
        reference_gemm<int7_inference>(lhs, rhs, matrix_view<std::int32_t>(expected.data(), m, n));
        CHECK(out == expected);
        CHECK(check.overflows() == 0);
        gemm<int7_inference, arch>(lhs, rhs, matrix_view<std::int32_t>(out.data(), m, n));
        CHECK(out == expected);
        return check.longest();
    };
    std::vector<std::int8_t> codes(static_cast<std::size_t>(n * k));
    for (const int code : {1, 3, -3, 20, 63, -63}) {
        CAPTURE(code);
        std::fill(codes.begin(), codes.end(), static_cast<std::int8_t>(code));
        const std::int64_t got = longest(codes);
        if (traits::cut_by_sums)
            CHECK(got == 32767 / 255 / (std::abs(code) * traits::k / traits::partial_sums) * traits::k);
    }
    // one large code in one column cuts the chains of its panel
    std::fill(codes.begin(), codes.end(), std::int8_t{1});
    for (std::size_t i = 5; i < codes.size(); i += 61) codes[i] = 63;
    CHECK(longest(codes) > 0);
    codes[0] = 64;
    CHECK_THROWS_AS(longest(codes), value_error);
}

TEMPLATE_TEST_CASE("an output that is larger than the caches has the same bits", "[unit]", fp32, dfp16_training,
                   int8_inference) {
    const intaglio::dim_t l3 = cache_sizes::of_this_machine().l3, k = 96, n = 1024, m = l3 / 2 / (n * 4) + 40;
    if (l3 > intaglio::dim_t{1} << 28) {
        WARN("skipped: the last cache has " << l3 << " bytes, and outputs that pass it by would take too much memory");
        return;
    }
    using lhs = typename TestType::lhs::storage;
    using rhs = typename TestType::rhs::storage;
    const int most = sizeof(rhs) == 1 ? 127 : 30000;
    const auto a = pattern<lhs>(static_cast<std::size_t>(m * k), std::is_unsigned_v<lhs> ? 0 : -most, most);
    const auto b = pattern<rhs>(static_cast<std::size_t>(k * n), -most, most);
    const std::vector<float> scales(static_cast<std::size_t>(n), 0.37F);
    rhs_view<TestType> view{{b.data(), k, n}};
    if constexpr (std::is_same_v<TestType, int8_inference>) view.scales = scales;
    const auto packed = pack_rhs<TestType>(view);
    const intaglio::dim_t part = 500; // rows of a smaller output, which goes through the caches
    buffer<float> out(m * n), expected(part * n);
    thread_pool pool(3);
    gemm<TestType>({{a.data(), m, k}}, packed, matrix_view<float>(out.data(), m, n), epilogue<>{}, pool);
    for (intaglio::dim_t row = 0; row < m; row += part) {
        const intaglio::dim_t rows = std::min(part, m - row);
        gemm<TestType>({{a.data() + row * k, rows, k}}, packed, matrix_view<float>(expected.data(), rows, n));
        REQUIRE(std::equal(expected.begin(), expected.begin() + rows * n, out.begin() + row * n));
    }
}
