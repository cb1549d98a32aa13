// SPDX-License-Identifier: Apache-2.0
#pragma once

// One image of bytes, rows of pixels of channels: a view, and memory for one. A view may be a part of a larger image,
// so that a crop copies nothing.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/extents.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

struct image_view {
    const std::uint8_t* pixels = nullptr;
    dim_t height = 0, width = 0, channels = 0;
    dim_t row_stride = 0; ///< bytes from one row to the next

    const std::uint8_t* row(dim_t y) const noexcept { return pixels + y * row_stride; }
    const std::uint8_t* pixel(dim_t y, dim_t x) const noexcept { return row(y) + x * channels; }

    /// The part of it from (top, left), which must lie inside.
    image_view part(dim_t top, dim_t left, dim_t part_height, dim_t part_width) const noexcept {
        return {pixel(top, left), part_height, part_width, channels, row_stride};
    }
};

/// Memory that is used again for image after image.
class image {
public:
    image() = default;
    image(image&&) noexcept = default; // a vector that moves keeps its elements where they are
    image& operator=(image&&) noexcept = default;

    /// Makes room; the pixels are unset.
    void resize(dim_t height, dim_t width, dim_t channels) {
        pixels_.resize(static_cast<std::size_t>(checked_product({height, width, channels})));
        view_ = {pixels_.data(), height, width, channels, width * channels};
    }

    const image_view& view() const noexcept { return view_; }
    operator image_view() const noexcept { return view_; }
    std::uint8_t* row(dim_t y) noexcept { return pixels_.data() + y * view_.row_stride; }
    /// Whether the view is of this memory.
    bool owns(const image_view& v) const noexcept {
        const std::less<> before;
        return !before(v.pixels, pixels_.data()) && before(v.pixels, pixels_.data() + pixels_.size());
    }

private:
    std::vector<std::uint8_t> pixels_;
    image_view view_;
};

} // namespace intaglio::inline INTAGLIO_ABI::data
