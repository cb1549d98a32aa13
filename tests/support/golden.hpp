// SPDX-License-Identifier: Apache-2.0
#pragma once

// The inputs of numbers that were taken from PyTorch 1.13, by a formula that is the same in any language.

#include <cstdint>

/// Number i of a seed: splitmix64((seed << 32) + i), of which the top 24 bits, divided by 2^23, minus 1: in [-1, 1).
inline float golden_uniform(std::uint64_t seed, std::uint64_t i) {
    std::uint64_t z = (seed << 32) + i + 0x9E37'79B9'7F4A'7C15U;
    z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9U;
    z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBU;
    return static_cast<float>((z ^ (z >> 31)) >> 40) / 8388608.0F - 1.0F;
}
