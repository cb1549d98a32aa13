// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small signed codes stored in 2 or 4 bits each, and their expansion to bytes, by the compiler's generic vectors. Codes come in groups of 64 bytes:
//
//   byte b of a group = sum over t of (code[64 t + b] + bias) << (bits t)        t = 0 .. 8 / bits - 1,  bias = 2^(bits - 1) - 1
//
// so that one shift and one mask give 64 codes in order.

#include <cstdint>
#include <cstring>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// Codes of a group that is stored in 64 bytes.
template <int Bits>
constexpr index narrow_group = 64 * (8 / Bits);

/// The largest magnitude that `Bits` hold.
template <int Bits>
constexpr int narrow_largest = (1 << (Bits - 1)) - 1;

/// Writes `groups` groups of codes narrowly.
template <int Bits>
void narrow(const std::int8_t* codes, index groups, std::uint8_t* out) {
    for (index g = 0; g < groups; ++g, codes += narrow_group<Bits>, out += 64)
        for (int b = 0; b < 64; ++b) {
            unsigned byte = 0;
            for (int t = 0; t < 8 / Bits; ++t) byte |= static_cast<unsigned>(codes[64 * t + b] + narrow_largest<Bits>) << (Bits * t);
            out[b] = static_cast<std::uint8_t>(byte);
        }
}

/// The inverse.
template <int Bits>
void expand(const std::uint8_t* in, index groups, std::int8_t* codes) {
    typedef std::uint16_t words __attribute__((vector_size(64)));
    typedef std::int8_t bytes __attribute__((vector_size(64)));
    constexpr auto mask = static_cast<std::uint16_t>(((1 << Bits) - 1) * 0x101);
    for (index g = 0; g < groups; ++g, in += 64, codes += narrow_group<Bits>) {
        words v;
        std::memcpy(&v, in, sizeof v);
        for (int t = 0; t < 8 / Bits; ++t) {
            const words part = v >> (Bits * t) & mask; // what a shift brings over from the next byte is masked
            const bytes code = reinterpret_cast<bytes>(part) - static_cast<std::int8_t>(narrow_largest<Bits>);
            std::memcpy(codes + 64 * t, &code, sizeof code);
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
