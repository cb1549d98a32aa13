// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/trit_packing.hpp"

#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("trits survive packing at every length", "[exact]") {
    for (dim_t n = 0; n <= 23; ++n) {
        std::vector<std::int8_t> trits(static_cast<std::size_t>(n)), back(trits.size(), 7);
        for (std::size_t i = 0; i < trits.size(); ++i)
            trits[i] =
                static_cast<std::int8_t>(static_cast<int>(random_below(3, 1, static_cast<std::uint64_t>(n), i)) - 1);
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(packed_trit_bytes(n)));
        REQUIRE(packed_trit_bytes(n) == (n + 4) / 5);
        pack_trits(trits, bytes);
        REQUIRE(unpack_trits(bytes, back));
        REQUIRE(back == trits);
    }
}

TEST_CASE("the five digits, least significant first", "[exact]") {
    const std::int8_t trits[] = {1, 0, -1, -1, -1};
    std::uint8_t byte[1];
    pack_trits(trits, byte);
    REQUIRE(int{byte[0]} == 2 + 3);
}

TEST_CASE("bytes that are not five trits are refused", "[unit]") {
    std::int8_t trits[5];
    for (int byte = 0; byte < 256; ++byte) {
        const std::uint8_t one[] = {static_cast<std::uint8_t>(byte)};
        REQUIRE(unpack_trits(one, trits) == (byte <= 242));
    }
    std::uint8_t two[2] = {};
    REQUIRE_THROWS_AS(pack_trits(trits, two), shape_error);
    REQUIRE_THROWS_AS(unpack_trits(two, trits), shape_error);
}

} // namespace intaglio::nn
