// SPDX-License-Identifier: Apache-2.0
#pragma once

// INT16 as planar_bytes (numeric/format.hpp), by plain code.

#include <cstddef>
#include <cstdint>
#include <vector>

/// All high bytes, then all low ones.
inline std::vector<std::uint8_t> planes_of(const std::vector<std::int16_t>& numbers) {
    std::vector<std::uint8_t> planes(2 * numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        planes[i] = static_cast<std::uint8_t>(numbers[i] >> 8);
        planes[numbers.size() + i] = static_cast<std::uint8_t>(numbers[i]);
    }
    return planes;
}
