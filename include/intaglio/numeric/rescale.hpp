// SPDX-License-Identifier: Apache-2.0
#pragma once

// From one scale to another. The normative texts of what happens to a number at the edges of a kernel: a total becomes
// a real number, a real number becomes an integer of the next layer, an integer loses low bits.

#include <bit>
#include <cstdint>
#include <type_traits>

#include "intaglio/core/config.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/numeric/rounding.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// The factor by which totals become real numbers: the product of their scales, rounded to float where that is a normal
/// number, and to 22 significant bits for int32 totals. So an int32 total times its factor is exact in double (31 + 22
/// = 53 bits), and rounded once in any arithmetic that loses nothing before.
template <class Total>
constexpr double output_factor(double scales) noexcept {
    const double magnitude = scales < 0 ? -scales : scales;
    if (!(magnitude >= 0x1p-126 && magnitude < 0x1p+128 - 0x1p+103)) return scales;
    if constexpr (std::is_same_v<Total, std::int32_t>) {
        constexpr std::uint64_t dropped = 53 - 22, half = std::uint64_t{1} << (dropped - 1);
        const auto bits = std::bit_cast<std::uint64_t>(scales); // nearest even
        return std::bit_cast<double>((bits + half - 1 + (bits >> dropped & 1)) >> dropped << dropped);
    }
    return static_cast<double>(static_cast<float>(scales));
}

/// The value of a total, given its factor (output_factor): their product in double, rounded to float once. A total of
/// -0, which only float sums can be, counts as 0: whether a sum of underflowing products leaves out later zeros shows
/// in nothing else.
template <class Total>
constexpr float output_value(Total total, double factor) noexcept {
    if constexpr (std::is_same_v<Total, float>) total += 0.0F;
    return canonical(static_cast<float>(static_cast<double>(total) * factor));
}

/// An integer total times its scale. Rounded once or twice: to double (exact up to 2^53), times scale, to float. With a
/// power of two as the scale the product is exact, and the result is the float nearest to the true value for |total| <=
/// 2^53.
constexpr float to_real(std::int64_t total, double scale) noexcept {
    return static_cast<float>(static_cast<double>(total) * scale);
}

/// nearest_even(value * inverse_scale) in float, saturated to the format's range. A NaN gives the least value.
template <IntegerFormat Format>
constexpr typename Format::storage requantize(float value, float inverse_scale) noexcept {
    static_assert(Format::bits <= 23, "requantize: the format has more bits than a float; quantize from double");
    return static_cast<typename Format::storage>(static_cast<std::int32_t>(round_float(clamp_to(
        value * inverse_scale, static_cast<float>(Format::min_value), static_cast<float>(Format::max_magnitude)))));
}

/// nearest_even(value / 2^shift) for 0 <= shift <= 62: a fixed-point number whose exponent grows by `shift`.
constexpr std::int64_t shift_right_nearest_even(std::int64_t value, int shift) noexcept {
    if (shift == 0) return value;
    const std::int64_t floor = value >> shift;
    const std::int64_t rest = value - (floor << shift); // 0 .. 2^shift - 1
    const std::int64_t half = std::int64_t{1} << (shift - 1);
    return floor + (rest > half || (rest == half && (floor & 1) != 0) ? 1 : 0);
}

} // namespace intaglio::inline INTAGLIO_ABI
