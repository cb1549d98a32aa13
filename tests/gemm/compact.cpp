// SPDX-License-Identifier: Apache-2.0

// Weights in fewer bits than bytes: digits of words, lists of exceptions, finer planes on top of coarser ones.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/gemm/reference.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/pattern.hpp"

namespace intaglio {
namespace {

/// Mostly small codes, some large ones, none beyond `most`.
std::vector<std::int8_t> codes_of(dim_t count, int usual, int most, std::uint64_t seed) {
    std::vector<std::int8_t> codes(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const auto range = static_cast<std::uint32_t>(random_below(100, seed, 1, i) < 3 ? most : std::min(usual, most));
        codes[i] = static_cast<std::int8_t>(static_cast<int>(random_below(2 * range + 1, seed, 0, i)) -
                                            static_cast<int>(range));
    }
    return codes;
}

template <class P>
struct product {
    dim_t m, n, k;
    std::vector<typename P::lhs::storage> a =
        pattern<typename P::lhs::storage>(m * k, static_cast<int>(P::lhs::format::min_value), 127);
    std::vector<float> scales = std::vector<float>(static_cast<std::size_t>(n), 1.0F);

    packed_rhs<P> pack(const std::vector<std::int8_t>& b, rhs_storage stored) const {
        return pack_rhs<P>({.values = {b.data(), k, n, 1, k}, .scales = scales}, stored);
    }
    std::vector<std::int32_t> run(const packed_rhs<P>& b) const {
        std::vector<std::int32_t> out(static_cast<std::size_t>(m * n));
        gemm<P>({.values = {a.data(), m, k}}, b, matrix_view<std::int32_t>(out.data(), m, n));
        return out;
    }
    std::vector<std::int32_t> expected(const std::vector<std::int8_t>& b) const {
        std::vector<std::int32_t> out(static_cast<std::size_t>(m * n));
        reference_gemm<P>({.values = {a.data(), m, k}}, {.values = {b.data(), k, n, 1, k}, .scales = scales},
                          matrix_view<std::int32_t>(out.data(), m, n));
        return out;
    }
};

template <class P>
void check(dim_t m, dim_t n, dim_t k, int usual) {
    CAPTURE(m, n, k, usual);
    const product<P> of{m, n, k};
    constexpr int most = P::rhs::format::max_magnitude / 3 - 1; // three times that and 3 fit
    const std::vector<std::int8_t> coarse = codes_of(n * k, usual, most, 5);
    std::vector<std::int8_t> fine = codes_of(n * k, 1, 3, 6);
    for (std::size_t i = 0; i < fine.size(); ++i) fine[i] = static_cast<std::int8_t>(fine[i] + 3 * coarse[i]);
    const packed_rhs<P> first = of.pack(coarse, rhs_storage::compact);
    CHECK(of.run(first) == of.expected(coarse));
    packed_rhs<P> second = of.pack(fine, rhs_storage::compact);
    const std::vector<std::int32_t> expected = of.expected(fine);
    CHECK(of.run(second) == expected);
    const dim_t before = second.bytes();
    if (second.refine(first, 3)) CHECK(second.bytes() < before);
    CHECK(of.run(second) == expected);
    CHECK_FALSE(second.refine(first, 3)); // once
}

} // namespace

TEST_CASE("digits of words are inverse on every code of every form", "[unit]") {
    for (std::size_t f = 0; f < simd::word_forms.size(); ++f) {
        const simd::word_form form = simd::word_forms[f];
        CAPTURE(form.digits, form.radix);
        const auto size = static_cast<std::size_t>(form.group());
        std::vector<std::int8_t> codes(3 * size), expanded(codes.size());
        std::vector<std::uint16_t> words(3 * simd::words_of_group);
        // all numbers of few digits, and a sample of the others: the extremes are where rounding matters
        for (int turn = 0; turn < 40; ++turn) {
            for (std::size_t i = 0; i < codes.size(); ++i)
                codes[i] =
                    turn == 0 ? static_cast<std::int8_t>(form.lowest())
                    : turn == 1
                        ? static_cast<std::int8_t>(form.highest())
                        : static_cast<std::int8_t>(
                              form.lowest() + static_cast<int>(random_below(static_cast<std::uint32_t>(form.radix), 3,
                                                                            static_cast<std::uint64_t>(turn), i)));
            for (std::size_t g = 0; g < 3; ++g)
                simd::write_digits(form, codes.data() + g * size, words.data() + g * simd::words_of_group);
            simd::expand_digits(f, words.data(), 3, expanded.data());
            REQUIRE(expanded == codes);
        }
    }
}

TEST_CASE("products of weights in fewer bits are those of bytes", "[exact]") {
    for (const int usual : {0, 1, 2, 4, 8, 20, 41})
        for (const dim_t k : {1, 64, 333, 2049})
            for (const dim_t n : {1, 33})
                for (const dim_t m : {1, 7, 70}) {
                    check<int8_inference>(m, n, k, usual);
                    check<int8_signed>(m, n, k, usual);
                    check<int7_inference>(m, n, k, usual);
                }
}

TEST_CASE("compact weights take what most codes need", "[unit]") {
    constexpr dim_t n = 96, k = 1600;
    const product<int8_inference> of{1, n, k};
    const auto bits = [&](int usual, int most) {
        const std::vector<std::int8_t> codes = codes_of(n * k, usual, most, 9);
        const double share = compact_share(codes),
                     got = static_cast<double>(of.pack(codes, rhs_storage::compact).bytes());
        CHECK(got < 1.05 * share * n * k + 12 * n); // factors and the ends of panels
        return 8 * share;
    };
    CHECK(bits(1, 1) < 1.65);
    CHECK(bits(4, 4) < 3.25);
    CHECK(bits(4, 127) < 3.8);
    CHECK(bits(8, 8) < 5.4);
    CHECK(bits(127, 127) == 8);
    CHECK(compact_share({}) == 1);
    // far apart
    std::vector<std::int8_t> rare(static_cast<std::size_t>(n * k), 0);
    for (std::size_t i = 0; i < rare.size(); i += 5003) rare[i] = 127;
    CHECK(of.run(of.pack(rare, rhs_storage::compact)) == of.expected(rare));
    // nothing of the same size, or bytes, is refined
    const product<int8_inference> other{1, 32, k};
    packed_rhs<int8_inference> packed = of.pack(rare, rhs_storage::compact);
    CHECK_FALSE(packed.refine(other.pack(codes_of(32 * k, 1, 1, 1), rhs_storage::compact), 3));
    CHECK_FALSE(packed.refine(of.pack(rare, rhs_storage::fast), 3));
}

} // namespace intaglio
