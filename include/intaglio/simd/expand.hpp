// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small signed codes stored in less than a byte each, and their expansion to bytes, by the compiler's generic vectors.
// Codes come in groups of 64 bytes, whose byte b holds the codes b, 64 + b, 128 + b, .. of the group, so that 64 codes
// at a time are expanded in order. In 2 or 4 bits each, by one shift and one mask:
//
//   byte b = sum over t of (code[64 t + b] + bias) << (bits t)        t = 0 .. 8 / bits - 1,  bias = 2^(bits - 1) - 1
//
// Five trits fit a byte, as a signed fraction of 256 in base 3; it is within half a unit of the exact one:
//
//   byte b = round(256 (code[b] / 3 + code[64 + b] / 9 + code[128 + b] / 27 + code[192 + b] / 81 + code[256 + b] /
//   243))
//
// The first trit is whether that lies beyond a sixth of 256 on either side, and three times the byte, without what
// leaves it, holds the others in the same way. The error grows to 81 / 2 in front of the last trit, whose fractions are
// 0 and a third: they are told apart up to 256 / 6 = 42.7.

#include <cstdint>
#include <cstring>

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// Codes of a group that is stored in 64 bytes.
template <int Bits>
constexpr dim_t narrow_group = 64 * (8 / Bits);

/// The largest magnitude that `Bits` hold.
template <int Bits>
constexpr int narrow_largest = (1 << (Bits - 1)) - 1;

/// Writes `groups` groups of codes narrowly.
template <int Bits>
void narrow(const std::int8_t* codes, dim_t groups, std::uint8_t* out) {
    for (dim_t g = 0; g < groups; ++g, codes += narrow_group<Bits>, out += 64)
        for (int b = 0; b < 64; ++b) {
            unsigned byte = 0;
            for (int t = 0; t < 8 / Bits; ++t)
                byte |= static_cast<unsigned>(codes[64 * t + b] + narrow_largest<Bits>) << (Bits * t);
            out[b] = static_cast<std::uint8_t>(byte);
        }
}

/// Masks, in a word, the lowest place of both bytes, and so drops what a shift brings over from one to the other.
template <int Bits>
inline constexpr auto narrow_mask = static_cast<std::uint16_t>(((1 << Bits) - 1) * 0x101);

/// Codes of narrow groups, as bytes.
template <int Bits>
void expand(const std::uint8_t* in, dim_t groups, std::int8_t* codes) {
    using words = vector<std::uint16_t, widest_vector / 2>;
    using bytes = vector<std::int8_t, widest_vector>;
    constexpr auto bias = static_cast<std::int8_t>(narrow_largest<Bits>);
    for (dim_t g = 0; g < groups; ++g, in += 64, codes += narrow_group<Bits>)
        for (int t = 0; t < 8 / Bits; ++t)
            for (int b = 0; b < 64; b += widest_vector)
                store_vector(codes + 64 * t + b,
                             reinterpret_cast<bytes>(load_vector<words>(in + b) >> (Bits * t) & narrow_mask<Bits>) -
                                 bias);
}

/// Trits of a group that is stored in 64 bytes, five in each.
inline constexpr dim_t trit_group = 64 * 5;

/// Writes `groups` groups of trits, five in a byte.
inline void narrow_trits(const std::int8_t* trits, dim_t groups, std::uint8_t* out) {
    for (dim_t g = 0; g < groups; ++g, trits += trit_group, out += 64)
        for (int b = 0; b < 64; ++b) {
            int value = 0; // in units of 1 / 243
            for (int t = 0; t < 5; ++t) value = 3 * value + trits[64 * t + b];
            out[b] = static_cast<std::uint8_t>((256 * value + (value < 0 ? -121 : 121)) / 243);
        }
}

/// Trits of groups that hold five in a byte, as bytes.
inline void expand_trits(const std::uint8_t* in, dim_t groups, std::int8_t* trits) {
    using bytes = vector<std::uint8_t, widest_vector>; // wrap
    using signed_bytes = vector<std::int8_t, widest_vector>;
    constexpr std::int8_t sixth = 256 / 6;
    for (dim_t g = 0; g < groups; ++g, in += 64, trits += trit_group)
        for (int b = 0; b < 64; b += widest_vector) {
            bytes rest = load_vector<bytes>(in + b);
            for (int t = 0; t < 5; ++t, rest += rest + rest) {
                const auto fraction = reinterpret_cast<signed_bytes>(rest);
                store_vector(trits + 64 * t + b, (fraction < -sixth) - (fraction > sixth)); // what is true is -1
            }
        }
}

/// A position in codes of 2 or 4 bits, a whole number of groups from their start; an atom's fragments are taken out in
/// registers. That leaves out all that can be done to the sums instead: a fragment holds (code + bias) <<
/// weight(offset), and the sums of its products are put right by a shift and by `correction`.
template <int Bits>
struct narrow_codes {
    const std::uint8_t* data;
    const std::int32_t* corrections = nullptr; ///< of the first row
    dim_t correction_stride = 0;               ///< from row to row

    /// -bias times the sum of row i's elements that meet the codes, as the accumulator's lanes are: an int32 or two
    /// int16.
    std::int32_t correction(dim_t i) const { return corrections[i * correction_stride]; }
    narrow_codes operator+(dim_t codes) const {
        return {data + static_cast<std::size_t>(codes) / (8 / Bits), corrections, correction_stride};
    }
    /// The two places of a nibble are told apart by masks alone.
    static constexpr int weight(dim_t offset) { return static_cast<int>(offset / 64) * Bits % 4; }
    /// The fragment that is `offset` codes further on, a multiple of its size.
    template <class Atom>
    INTAGLIO_INLINE typename Atom::rhs_fragment load(dim_t offset) const {
        constexpr int size = Atom::n * Atom::k;
        static_assert(sizeof(typename Atom::rhs_fragment) == size && 64 % size == 0);
        using words = vector<std::uint16_t, size / 2>;
        const dim_t group = offset / narrow_group<Bits>, place = offset % narrow_group<Bits>;
        const int nibble = static_cast<int>(place / 64) * Bits / 4 * 4;
        const auto mask = static_cast<std::uint16_t>(narrow_mask<Bits> << weight(place));
        const words part = load_vector<words>(data + group * 64 + place % 64) >> nibble & mask;
        typename Atom::rhs_fragment fragment;
        std::memcpy(&fragment, &part, sizeof part);
        return fragment;
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::simd
