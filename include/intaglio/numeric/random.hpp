// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random numbers that are a function, not a sequence: number i of stream s under a seed is the same bits whoever asks
// for it and in whatever order. Threads need no state, and stochastic rounding, initialisation and shuffles are
// reproducible for any thread count.
//
// The function is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011):
//   key = seed (64 bits), counter = (i, stream) (128 bits), result = 128 bits.
// One stream is one purpose: a tensor of a layer at a step, an epoch's shuffle. Streams never overlap.

#include <array>
#include <cmath>
#include <cstdint>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// One call of Philox4x32-10: 128 bits of counter (least word first) and 64 bits of key to 128 random bits.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                              std::array<std::uint32_t, 2> key) noexcept {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD251'1F53U} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E'8D57U} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
        key = {key[0] + 0x9E37'79B9U, key[1] + 0xBB67'AE85U};
    }
    return counter;
}

/// Block `i` of `stream` under `seed`: four independent words.
constexpr std::array<std::uint32_t, 4> random_words(std::uint64_t seed, std::uint64_t stream,
                                                    std::uint64_t i) noexcept {
    return philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                   static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                  {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

/// Number `i` of `stream` under `seed`: 64 random bits.
constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) noexcept {
    const auto words = random_words(seed, stream, i);
    return words[0] | (std::uint64_t{words[1]} << 32);
}

/// 16 random bits for element `i`: eight elements share a block, least half-word first.
constexpr std::uint32_t random_bits16(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) noexcept {
    const auto words = random_words(seed, stream, i / 8);
    return (words[(i % 8) / 2] >> (16 * (i % 2))) & 0xffffU;
}

/// 16 bits for place `i` by a plain hash, for dither in passes over memory, where Philox would take three times as long
/// as all else: Weyl's sequence of the golden ratio, key + i weyl_step, which a loop adds up, and one step that hides
/// its lattice. Of the constants tried these leave least correlation (0.02) between pixels of 1 to 4096 channels.
inline constexpr std::uint32_t weyl_step = 0x9E37'79B9U;
constexpr std::uint32_t hash_step(std::uint32_t w) noexcept { return ((w ^ (w >> 13)) * 0xD35A'2D97U) >> 16; }
constexpr std::uint32_t hash_bits16(std::uint32_t key, std::uint32_t i) noexcept {
    return hash_step(key + i * weyl_step);
}

/// Uniform in [0, 1): a multiple of 2^-24, so exact in float.
constexpr float random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) noexcept {
    return static_cast<float>(random_bits(seed, stream, i) >> 40) * 0x1p-24F;
}

/// Uniform in 0 .. bound - 1, for bound >= 1 (multiply-shift; its bias is below bound / 2^32).
constexpr std::uint32_t random_below(std::uint32_t bound, std::uint64_t seed, std::uint64_t stream,
                                     std::uint64_t i) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{random_words(seed, stream, i)[0]} * bound) >> 32);
}

/// Normal with mean 0 and variance 1 (Box and Muller, in double). Reproducible as far as the C library's log and cos
/// are; a difference in their last bit almost never survives the rounding to float.
inline float random_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) noexcept {
    const auto words = random_words(seed, stream, i);
    const double radius = (static_cast<double>(words[0]) + 1) * 0x1p-32; // (0, 1]
    const double angle = static_cast<double>(words[1]) * 0x1p-32;
    return static_cast<float>(std::sqrt(-2 * std::log(radius)) * std::cos(6.283185307179586476925 * angle));
}

} // namespace intaglio::inline INTAGLIO_ABI
