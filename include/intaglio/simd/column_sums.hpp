// SPDX-License-Identifier: Apache-2.0
#pragma once

// Norms of sixty-four columns of int16 at once, by the compiler's generic vectors. (GCC 12 vectorises the plain loop in a file of its own and not
// inside the library, where it costs more than the product that needs the norms.)

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

inline constexpr index column_strip = 64;

/// Largest over the columns of: sum over rows of floor(floor(|v| / 128)^2 / 32), and |v|.
struct column_sums {
    std::int32_t squares = 0;
    std::int32_t magnitude = 0;
};

/// Over `count` <= 32 rows, of which each pointer is the first of column_strip elements; -32768 counts as 32768.
inline column_sums sum_columns(const std::int16_t* const* rows, index count, index offset) {
    typedef std::int16_t signed_lanes __attribute__((vector_size(64)));
    typedef std::uint16_t lanes __attribute__((vector_size(64)));
    lanes squares[2] = {}, largest[2] = {};
    for (index r = 0; r < count; ++r)
        for (int h = 0; h < 2; ++h) {
            signed_lanes v;
            std::memcpy(&v, rows[r] + offset + h * 32, sizeof v);
            const signed_lanes sign = v >> 15;
            const auto magnitude = reinterpret_cast<lanes>((v ^ sign) - sign);
            const lanes part = magnitude >> 7;
            squares[h] += part * part >> 5;
            largest[h] = magnitude > largest[h] ? magnitude : largest[h];
        }
    column_sums most;
    for (int h = 0; h < 2; ++h)
        for (int e = 0; e < 32; ++e) {
            most.squares = std::max<std::int32_t>(most.squares, squares[h][e]);
            most.magnitude = std::max<std::int32_t>(most.magnitude, largest[h][e]);
        }
    return most;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
