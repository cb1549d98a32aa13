// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a real number becomes an integer. This is the normative text: whatever vector code rounds in the library equals
// it bit for bit.
//
// A rounding rule is a value that maps (x, i) to an integer, where i is the element's place in its tensor; only
// random rules look at it. `round_saturated` is a rule followed by a range, and that is all of quantization
// once a scale is chosen.

#include <bit>
#include <concepts>
#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// The nearest integer, ties to the even one; |x| <= 2^62. Does not depend on the processor's rounding mode.
constexpr std::int64_t round_nearest_even(double x) noexcept {
    const auto towards_zero = static_cast<std::int64_t>(x);
    const double rest = x - static_cast<double>(towards_zero); // exact, |rest| < 1
    const double magnitude = rest < 0 ? -rest : rest;
    const bool away = magnitude > 0.5 || (magnitude == 0.5 && (towards_zero & 1) != 0);
    return towards_zero + (away ? (x < 0 ? -1 : 1) : 0);
}

/// Nearest integer, ties to even.
struct nearest_even {
    constexpr std::int64_t operator()(double x, dim_t) const noexcept { return round_nearest_even(x); }
};

/// Up or down at random, so that the mean is x: in steps of 2^-16, with 16 random bits r of element i,
///   n = nearest_even(2^16 x),   result = floor((n + r) / 2^16),   E[result] = n / 2^16.
/// So the mean is exact for multiples of 2^-16; other x are rounded to nearest there, an error of at most 2^-17 that
/// has no direction. Integers stay as they are. |x| <= 2^46.
struct stochastic {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0; ///< one per tensor and step

    constexpr std::int64_t operator()(double x, dim_t i) const noexcept {
        const std::int64_t n = round_nearest_even(x * 65536.0);
        return (n + random_bits16(seed, stream, static_cast<std::uint64_t>(i))) >> 16;
    }
};

/// The same with bits of a hash (hash_bits16), in loops nearly as fast as nearest_even, and sub-steps towards zero:
///   n = truncate(2^16 x),   result = floor((n + r) / 2^16).
/// Dither: what is far below the unit stays in the mean of many elements instead of becoming zero in all of them.
struct dithered {
    std::uint32_t key = 0; ///< one per tensor and step

    constexpr std::int64_t operator()(double x, dim_t i) const noexcept {
        const auto n = static_cast<std::int64_t>(x * 65536.0);
        return (n + hash_bits16(key, static_cast<std::uint32_t>(i))) >> 16;
    }
};

template <class R>
concept Rounding = requires(const R& rule, double x, dim_t i) {
    { rule(x, i) } -> std::same_as<std::int64_t>;
};

/// x moved into [low, high]. A NaN becomes `low`: written so that vector maximum and minimum instructions give the
/// same.
template <std::floating_point Real>
constexpr Real clamp_to(Real x, Real low, Real high) noexcept {
    x = x > low ? x : low;
    return x < high ? x : high;
}

/// The rule's integer for x, saturated to low .. high. Saturation comes first: both bounds are integers, so for
/// nearest_even the order makes no difference, and stochastic rounding can't step over a bound.
template <Rounding Rule>
constexpr std::int64_t round_saturated(double x, std::int64_t low, std::int64_t high, const Rule& rule,
                                       dim_t i) noexcept {
    return rule(clamp_to(x, static_cast<double>(low), static_cast<double>(high)), i);
}

/// nearest_even of a float as a float, any finite x: the text that compilers turn into vector code. Adding 2^23 leaves
/// no room for a fraction. Needs the processor's default rounding mode, and no -ffast-math.
constexpr float round_float(float x) noexcept {
    const std::uint32_t sign = std::bit_cast<std::uint32_t>(x) & 0x8000'0000U;
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) ^ sign;
    const float rounded = (std::bit_cast<float>(bits) + 0x1p23F) - 0x1p23F;
    // All ones below 2^23, else zero: a mask and not a branch, so that loops of this become vector code without a
    // compiler having to see through it.
    const auto small =
        static_cast<std::uint32_t>(static_cast<std::int32_t>(bits - std::bit_cast<std::uint32_t>(0x1p23F)) >> 31);
    const std::uint32_t magnitude = (std::bit_cast<std::uint32_t>(rounded) & small) | (bits & ~small);
    return std::bit_cast<float>(magnitude | sign);
}

} // namespace intaglio::inline INTAGLIO_ABI
