// SPDX-License-Identifier: Apache-2.0
#pragma once

// Element formats: what one stored number of an operand can be. A format states its storage type and its range, and
// nothing else; every bound in the library (chain lengths, laws) is computed from these ranges, never from a format's
// name.
//
// Ranges of signed formats are symmetric: fixed<16> is -32767 .. 32767. The one value more that two's complement could
// hold would spoil every bound (two products of -32768 by itself already overflow int32), so quantizers never produce
// it and the edge of the library refuses it, but for lhs of a proven policy: its bounds are measured, and hold for any
// int16.

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {
template <int Bits, bool Signed>
using integer_of_width =
    std::conditional_t<Bits <= 8, std::conditional_t<Signed, std::int8_t, std::uint8_t>,
                       std::conditional_t<Bits <= 16, std::conditional_t<Signed, std::int16_t, std::uint16_t>,
                                          std::conditional_t<Signed, std::int32_t, std::uint32_t>>>;

constexpr std::int64_t power_of_three(int n) { return n == 0 ? 1 : 3 * power_of_three(n - 1); }
} // namespace detail

/// Signed fixed point of `Bits` bits, sign included: -(2^(Bits-1) - 1) .. 2^(Bits-1) - 1.
template <int Bits>
struct fixed {
    static_assert(Bits >= 2 && Bits <= 32, "fixed<Bits>: signed fixed point has 2 to 32 bits, sign included");
    using storage = detail::integer_of_width<Bits, true>;
    static constexpr int bits = Bits;
    static constexpr int planes = 1;
    static constexpr std::int64_t max_magnitude = (std::int64_t{1} << (Bits - 1)) - 1;
    static constexpr std::int64_t min_value = -max_magnitude;
};

/// Unsigned fixed point of `Bits` bits: 0 .. 2^Bits - 1.
template <int Bits>
struct unsigned_fixed {
    static_assert(Bits >= 1 && Bits <= 16, "unsigned_fixed<Bits>: unsigned fixed point has 1 to 16 bits");
    using storage = detail::integer_of_width<Bits, false>;
    static constexpr int bits = Bits;
    static constexpr int planes = 1;
    static constexpr std::int64_t max_magnitude = (std::int64_t{1} << Bits) - 1;
    static constexpr std::int64_t min_value = 0;
};

/// A sum of `Planes` planes of trits {-1, 0, +1}, each plane with scales of its own. Stored as one int8 per trit,
/// plane after plane; `max_magnitude` is that of one plane.
template <int Planes>
struct trits {
    static_assert(Planes >= 1 && Planes <= 8, "trits<Planes>: a ternary operand has 1 to 8 planes");
    using storage = std::int8_t;
    static constexpr int bits = 2;
    static constexpr int planes = Planes;
    static constexpr std::int64_t max_magnitude = 1;
    static constexpr std::int64_t min_value = -1;
};

/// `Digits` planes of trits whose scales are locked 3 : 1, fused into one integer code
/// 3^(Digits-1) t_1 + ... + 3 t_(Digits-1) + t_Digits, so that one pass of the kernel does the work of all of them.
template <int Digits>
struct locked_trits {
    static_assert(Digits >= 1 && Digits <= 5, "locked_trits<Digits>: one to five digits fit a signed byte");
    using storage = std::int8_t;
    static constexpr int bits = 8;
    static constexpr int planes = 1;
    static constexpr int digits = Digits;
    static constexpr std::int64_t max_magnitude = (detail::power_of_three(Digits) - 1) / 2;
    static constexpr std::int64_t min_value = -max_magnitude;
};

/// fixed<16> taken apart into two byte planes, v = 256 high + low, high signed and low unsigned: the same numbers and
/// the same products bit for bit, for machines whose 8-bit products are four times as fast as their 16-bit ones. Byte
/// planes have no forbidden value: all of int16 is in range.
struct byte_planes {
    using storage = std::int16_t;
    static constexpr int bits = 16;
    static constexpr int planes = 1; // as stored; the kernel's packing takes the bytes apart
    static constexpr std::int64_t max_magnitude = 32768;
    static constexpr std::int64_t min_value = -32768;
};

/// The numbers of byte_planes, each plane in memory of its own: number i of n is 256 times the signed byte i and the
/// unsigned byte n + i (or one plane stride further on, where the planes don't follow each other). Quantizers write it
/// so, and where bytes are multiplied nothing is taken apart.
struct planar_bytes {
    using storage = std::uint8_t; ///< of either byte; the high one is in two's complement
    static constexpr int bits = 16;
    static constexpr int planes = 1; // of numbers, which have two bytes
    static constexpr std::int64_t max_magnitude = 32768;
    static constexpr std::int64_t min_value = -32768;
};

/// IEEE binary32.
struct float32 {
    using storage = float;
    static constexpr int bits = 32;
    static constexpr int planes = 1;
};

/// What every element format states; `planes` counts the numbers that sum up to an element, each stored in a plane and
/// with scales of its own.
template <class F>
concept ElementFormat = requires {
    typename F::storage;
    { F::bits } -> std::convertible_to<int>;
    { F::planes } -> std::convertible_to<int>;
};

/// A format of integers, which states its range.
template <class F>
concept IntegerFormat = ElementFormat<F> && std::integral<typename F::storage> && requires {
    { F::max_magnitude } -> std::convertible_to<std::int64_t>;
    { F::min_value } -> std::convertible_to<std::int64_t>;
};

namespace detail {
/// Whether products of a format are those of two bytes, whose weights are 256 : 1.
template <class Format>
constexpr bool has_byte_planes = std::is_same_v<Format, byte_planes> || std::is_same_v<Format, planar_bytes>;

/// Planes of memory that hold a number, and all that sum up to an element.
template <class Format>
constexpr int planes_of_number = std::is_same_v<Format, planar_bytes> ? 2 : 1;
template <class Format>
constexpr int stored_planes = planes_of_number<Format>* Format::planes;

/// The number at `at`; of planar bytes the low byte is `plane_stride` further on.
template <class Format>
constexpr auto number_at(const typename Format::storage* at, [[maybe_unused]] dim_t plane_stride) {
    if constexpr (planes_of_number<Format> == 2)
        return static_cast<std::int16_t>(256 * static_cast<std::int8_t>(at[0]) + at[plane_stride]);
    else
        return at[0];
}
/// Its type.
template <class Format>
using number = decltype(number_at<Format>(nullptr, 0));
} // namespace detail

} // namespace intaglio::inline INTAGLIO_ABI
