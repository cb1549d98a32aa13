// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trits at 1.6 bits each: five in a byte, as the base-3 digits of 0 .. 242, the first trit least significant:
//
//   byte = sum over i in 0 .. 4 of (trit_i + 1) 3^i
//
// The last byte is filled up with zeros (digit 1). This is the stored form; kernels expand it when they pack.

#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

inline constexpr dim_t trits_per_byte = 5;
inline constexpr int largest_trit_byte = 242;

constexpr dim_t packed_trit_bytes(dim_t trits) {
    return trits / trits_per_byte + (trits % trits_per_byte != 0 ? 1 : 0);
}

namespace detail {
constexpr void check_trit_bytes(std::size_t trits, std::size_t bytes) {
    if (static_cast<dim_t>(bytes) != packed_trit_bytes(static_cast<dim_t>(trits)))
        fail<shape_error>("trits: ", trits, " of them are ", packed_trit_bytes(static_cast<dim_t>(trits)),
                          " bytes, not ", bytes);
}
} // namespace detail

/// Throws shape_error unless `bytes` has packed_trit_bytes(trits.size()) elements.
constexpr void pack_trits(std::span<const std::int8_t> trits, std::span<std::uint8_t> bytes) {
    detail::check_trit_bytes(trits.size(), bytes.size());
    for (std::size_t b = 0; b < bytes.size(); ++b) {
        int value = 0;
        for (std::size_t i = 5; i-- > 0;) {
            const std::size_t at = b * 5 + i;
            value = value * 3 + (at < trits.size() ? trits[at] : 0) + 1;
        }
        bytes[b] = static_cast<std::uint8_t>(value);
    }
}

/// The inverse. False, and the trits unspecified, if a byte is above 242.
constexpr bool unpack_trits(std::span<const std::uint8_t> bytes, std::span<std::int8_t> trits) {
    detail::check_trit_bytes(trits.size(), bytes.size());
    for (std::size_t b = 0; b < bytes.size(); ++b) {
        int value = bytes[b];
        if (value > largest_trit_byte) return false;
        for (std::size_t at = b * 5; at < b * 5 + 5 && at < trits.size(); ++at, value /= 3)
            trits[at] = static_cast<std::int8_t>(value % 3 - 1);
    }
    return true;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
