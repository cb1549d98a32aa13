// SPDX-License-Identifier: Apache-2.0
#pragma once

// Exponents of floating-point numbers and exact powers of two, read from and written into the bits: the same result
// everywhere, at compile time too, denormal numbers included. The rule of dynamic fixed point (quantize/dfp.hpp) is
// stated in terms of exponent_of.

#include <algorithm>
#include <bit>
#include <cstdint>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Bits of +infinity. A finite float's bits, its sign removed, are smaller; those of a NaN are larger.
inline constexpr std::uint32_t float_infinity_bits = 0x7f80'0000U;

/// The bits of |x|. Their order as integers is the order of the magnitudes, so an integer maximum finds the largest
/// magnitude and any NaN in one pass.
constexpr std::uint32_t magnitude_bits(float x) noexcept { return std::bit_cast<std::uint32_t>(x) & 0x7fff'ffffU; }

constexpr bool is_finite(float x) noexcept { return magnitude_bits(x) < float_infinity_bits; }

/// The largest of magnitude_bits, 0 if there are none.
inline std::uint32_t largest_magnitude_bits(const float* values, dim_t count) noexcept {
    std::uint32_t largest = 0;
    for (dim_t i = 0; i < count; ++i) largest = std::max(largest, magnitude_bits(values[i]));
    return largest;
}
inline bool all_finite(const float* values, dim_t count) noexcept {
    return largest_magnitude_bits(values, count) < float_infinity_bits;
}

/// The one NaN that products write: quiet, positive, no payload. (What an invalid operation gives is negative on x86
/// and positive on ARM, and which of two NaNs passes an operation depends on the order of its operands.)
inline constexpr float canonical_nan = std::bit_cast<float>(0x7fc0'0000U);
constexpr float canonical(float x) noexcept { return x == x ? x : canonical_nan; }

/// floor(log2 |x|), the exponent of the leading bit, for x finite and not zero: -149 .. 127.
constexpr int exponent_of(float x) noexcept {
    const std::uint32_t bits = magnitude_bits(x);
    const int biased = static_cast<int>(bits >> 23);
    if (biased != 0) return biased - 127;
    return static_cast<int>(std::bit_width(bits)) - 1 - 149; // denormal: bits * 2^-149
}

/// 2^e as a float, -126 <= e <= 127.
constexpr float float_power_of_two(int e) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23);
}

/// 2^e as a double, -1022 <= e <= 1023: covers the exponent of every dynamic fixed point tensor and the sum of any two.
constexpr double power_of_two(int e) noexcept {
    return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
}

} // namespace intaglio::inline INTAGLIO_ABI
