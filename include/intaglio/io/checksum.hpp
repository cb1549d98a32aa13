// SPDX-License-Identifier: Apache-2.0
#pragma once

// CRC-32 (IEEE 802.3, as zlib and PNG have it): what tells a damaged record from a good one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// 0xCBF43926 for "123456789"; goes on from the sum of what is `before`. Four bytes at a time by four tables.
inline std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0) {
    static constexpr auto tables = [] {
        std::array<std::array<std::uint32_t, 256>, 4> t{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320U ^ c >> 1 : c >> 1;
            t[0][i] = c;
        }
        for (std::size_t k = 1; k < 4; ++k)
            for (std::size_t i = 0; i < 256; ++i) t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
        return t;
    }();
    std::uint32_t c = ~before;
    const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(bytes[i]); };
    std::size_t i = 0;
    for (; i + 4 <= bytes.size(); i += 4) {
        c ^= byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
        c = tables[3][c & 255] ^ tables[2][c >> 8 & 255] ^ tables[1][c >> 16 & 255] ^ tables[0][c >> 24];
    }
    for (; i < bytes.size(); ++i) c = tables[0][(c ^ byte(i)) & 255] ^ c >> 8;
    return ~c;
}

} // namespace intaglio::inline INTAGLIO_ABI::io
