// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images that are a formula, for tests and for measuring speed without a data set. Image i has the label i mod classes;
// it is the class's coarse pattern of 4 x 4 fields under noise that only this image has, so that a network can learn it
// and can't read it from one pixel:
//
//   v = clamp(128 + 48 s + n)    s = +1 or -1, a random bit of (class, field, channel)    n = -64 .. 63, of (i, pixel)

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image_set.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// A set of any size, computed when it is asked for.
struct synthetic_images {
    dim_t count = 0, height = 0, width = 0, channels = 0;
    std::uint64_t seed = 0;
    std::vector<std::string> classes;

    /// value_error unless all sizes are at least 1.
    synthetic_images(dim_t images, dim_t image_height, dim_t image_width, dim_t image_channels, dim_t class_count,
                     std::uint64_t random_seed = 1)
        : count(images), height(image_height), width(image_width), channels(image_channels), seed(random_seed) {
        require<value_error>(count > 0 && height > 0 && width > 0 && channels > 0 && class_count > 0,
                             "synthetic_images: ", count, " images of ", height, " x ", width, " x ", channels, " in ",
                             class_count, " classes");
        for (dim_t c = 0; c < class_count; ++c) classes.push_back(join("class ", c));
    }

    dim_t size() const noexcept { return count; }
    std::int32_t label(dim_t i) const noexcept {
        return static_cast<std::int32_t>(i % static_cast<dim_t>(classes.size()));
    }
    std::string name(dim_t i) const { return join("synthetic image ", i); }
    image_view image(dim_t i, data::image& memory) const {
        constexpr dim_t fields = 4;
        constexpr std::uint64_t pattern_stream = 0, noise_stream = 1;
        std::vector<int> pattern(static_cast<std::size_t>(fields * fields * channels));
        const auto first = static_cast<std::uint64_t>(label(i)) * pattern.size();
        for (std::size_t p = 0; p < pattern.size(); ++p)
            pattern[p] = random_bits(seed, pattern_stream, first + p) & 1 ? 48 : -48;

        memory.resize(height, width, channels);
        // 16 bytes of noise in a block
        auto block = static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>((height * width * channels + 15) / 16);
        std::array<std::uint32_t, 4> noise{};
        for (dim_t y = 0, n = 0; y < height; ++y)
            for (dim_t x = 0; x < width * channels; ++x, ++n) {
                if (n % 16 == 0) noise = random_words(seed, noise_stream, block++);
                const dim_t field = y * fields / height * fields + x / channels * fields / width;
                const int base = 128 + pattern[static_cast<std::size_t>(field * channels + x % channels)];
                const auto bits = noise[static_cast<std::size_t>(n % 16 / 4)] >> (8 * (n % 4)) & 127u;
                memory.row(y)[x] = static_cast<std::uint8_t>(std::clamp(base + static_cast<int>(bits) - 64, 0, 255));
            }
        return memory;
    }
};

/// The same in memory.
inline image_set synthetic_set(const synthetic_images& from) {
    image_set set{from.height, from.width, from.channels, {}, {}, from.classes};
    image memory;
    for (dim_t i = 0; i < from.size(); ++i) {
        const image_view view = from.image(i, memory);
        set.pixels.insert(set.pixels.end(), view.pixels, view.pixels + set.image_size());
        set.labels.push_back(from.label(i));
    }
    return set;
}

} // namespace intaglio::inline INTAGLIO_ABI::data
