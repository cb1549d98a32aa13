// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images by formula, for numbers that another program computed from the same ones.

#include <cstdint>
#include <vector>

#include "intaglio/data/image.hpp"

namespace intaglio::data {

/// (37 y + 101 x + 53 c) (y + 3 x + c + 1) mod 256
inline image formula_image(dim_t height, dim_t width, dim_t channels) {
    image i;
    i.resize(height, width, channels);
    for (dim_t y = 0; y < height; ++y)
        for (dim_t x = 0; x < width; ++x)
            for (dim_t c = 0; c < channels; ++c)
                i.row(y)[x * channels + c] =
                    static_cast<std::uint8_t>((37 * y + 101 * x + 53 * c) * (y + 3 * x + c + 1) % 256);
    return i;
}

/// Row by row.
inline std::vector<int> bytes_of(const image_view& v) {
    std::vector<int> bytes;
    for (dim_t y = 0; y < v.height; ++y) bytes.insert(bytes.end(), v.row(y), v.row(y) + v.width * v.channels);
    return bytes;
}

} // namespace intaglio::data
