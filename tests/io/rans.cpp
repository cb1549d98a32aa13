// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/rans.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"

namespace intaglio::io {
namespace {

std::vector<std::int8_t> codes_of(std::size_t count, std::uint32_t values, std::uint64_t seed) {
    std::vector<std::int8_t> codes(count);
    for (std::size_t i = 0; i < count; ++i) { // small ones are frequent
        const std::uint32_t bound = 1 + random_below(values, seed, 1, i);
        codes[i] =
            static_cast<std::int8_t>(static_cast<int>(random_below(bound, seed, 2, i)) - static_cast<int>(bound) / 2);
    }
    return codes;
}

double entropy(const std::vector<std::int8_t>& codes) {
    double counts[256] = {}, bits = 0;
    for (const std::int8_t c : codes) counts[c + 128] += 1;
    for (const double n : counts)
        if (n > 0) bits -= n * std::log2(n / static_cast<double>(codes.size()));
    return bits;
}

} // namespace

TEST_CASE("decoding gives what was coded, near the entropy", "[exact]") {
    for (const std::size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 63U, 1000U, 100'003U})
        for (const std::uint32_t values : {1U, 2U, 3U, 9U, 200U, 255U}) {
            CAPTURE(count, values);
            const std::vector<std::int8_t> codes = codes_of(count, values, count + values);
            const std::vector<std::byte> coded = rans_encode(codes);
            std::vector<std::int8_t> decoded(count);
            rans_decode(coded, "codes", decoded);
            REQUIRE(decoded == codes);
            if (count > 100'000)
                REQUIRE(8.0 * static_cast<double>(coded.size()) <
                        1.003 * entropy(codes) + 8 * (20 + 3.0 * values) + 64);
        }
    std::vector<std::int8_t> extremes(4099, 127);
    extremes[7] = -128;
    std::vector<std::int8_t> decoded(extremes.size());
    rans_decode(rans_encode(extremes), "codes", decoded);
    REQUIRE(decoded == extremes);
}

TEST_CASE("what was not coded so is refused", "[unit]") {
    const std::vector<std::int8_t> codes = codes_of(3000, 9, 4);
    const std::vector<std::byte> good = rans_encode(codes);
    std::vector<std::int8_t> out(codes.size());
    const auto refused = [&](std::vector<std::byte> bytes, const char* word) {
        return mentions<file_error>([&] { rans_decode(bytes, "a plane", out); }, "a plane", word);
    };
    auto bad = good;
    bad[0] = std::byte{0};
    REQUIRE(refused(bad, "table"));
    bad = good;
    bad[5] = std::byte{0}, bad[6] = std::byte{0};
    REQUIRE(refused(bad, "4096"));
    bad = good;
    std::swap(bad[4], bad[7]);
    REQUIRE(refused(bad, "ascend"));
    bad = good;
    bad.resize(bad.size() - 2);
    REQUIRE(mentions<file_error>([&] { rans_decode(bad, "a plane", out); }, "a plane"));
    bad = good;
    bad.resize(bad.size() + 2);
    REQUIRE(mentions<file_error>([&] { rans_decode(bad, "a plane", out); }, "a plane"));
    REQUIRE(refused({good.begin(), good.begin() + 6}, "cut"));
    const std::vector<std::int8_t> none;
    std::vector<std::int8_t> empty;
    REQUIRE(mentions<file_error>([&] { rans_decode(good, "a plane", empty); }, "no codes"));

    const std::vector<char> bytes(reinterpret_cast<const char*>(good.data()),
                                  reinterpret_cast<const char*>(good.data()) + good.size());
    read_mutations(bytes, 4 + 27, 20'000,
                   [&](std::span<const char> damaged) { rans_decode(std::as_bytes(damaged), "damaged", out); });
}

} // namespace intaglio::io
