// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every codec of compressed files keeps (data/packed_file.hpp).

#include <span>
#include <string>
#include <vector>

#include "intaglio/data/packed_file.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"

namespace intaglio::data {

/// A codec, and how its library compresses.
struct checked_codec {
    const codec& unpacking;
    std::vector<char> (*packed)(const std::vector<char>&);

    /// Half of it can be compressed, half can't.
    static std::vector<char> sample(std::size_t size) {
        std::vector<char> bytes(size);
        for (std::size_t i = 0; i < size; ++i) bytes[i] = i % 512 < 256 ? 'a' : static_cast<char>(random_bits(1, 0, i));
        return bytes;
    }
    std::string unpacked(std::span<const char> bytes, dim_t most = most_unpacked) const {
        return std::string(unpacking.unpack(bytes, most, "some file").text());
    }

    void unpacks_streams() const {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{300'000}}) {
            const auto bytes = sample(size);
            REQUIRE(unpacked(packed(bytes)) == std::string(bytes.begin(), bytes.end()));
        }
        auto two = packed(sample(10)); // one stream after another
        const auto more = packed(sample(70'000));
        two.insert(two.end(), more.begin(), more.end());
        REQUIRE(unpacked(two).size() == 70'010);
    }

    /// `foreign`: what it says of bytes that are no stream.
    void refuses_what_is_broken(const char* foreign) const {
        const auto good = packed(sample(3'000));
        for (std::size_t size = 0; size < good.size();
             size += size < 40 || size + 40 > good.size() ? std::size_t{1} : std::size_t{37}) {
            CAPTURE(size);
            REQUIRE(mentions<file_error>([&] { unpacked(std::span<const char>(good).first(size)); }, "some file",
                                         join("offset ", size)));
        }
        auto bad = good;
        bad[good.size() / 2] = static_cast<char>(bad[good.size() / 2] ^ 64);
        REQUIRE(mentions<file_error>([&] { unpacked(bad); }, "some file", "damaged"));
        bad = good;
        bad.insert(bad.end(), {'x', 'y', 'z'});
        REQUIRE(mentions<file_error>([&] { unpacked(bad); }, "some file"));
        REQUIRE(mentions<file_error>([&] { unpacked(std::span<const char>("no stream at all", 16)); }, foreign));
        REQUIRE(unpacked(good, 3'000).size() == 3'000);
        REQUIRE(mentions<file_error>([&] { unpacked(good, 2'999); }, "more than 2999"));
        const auto bomb = packed(std::vector<char>(10'000'000));
        REQUIRE(mentions<file_error>([&] { unpacked(bomb, 100'000); }, "more than 100000"));
        read_mutations(good, 32, 2'000, [&](std::span<const char> b) { unpacked(b, 1 << 20); });
    }
};

} // namespace intaglio::data
