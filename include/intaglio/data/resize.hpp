// SPDX-License-Identifier: Apache-2.0
#pragma once

// Resizes images of bytes by linear interpolation that does not alias: bit for bit what Pillow's (and so torchvision's)
// `resize(..., BILINEAR)` gives, so that evaluation sees the pixels that published networks saw.
//
// Along each axis, output x of `out` pixels is the weighted mean of the input pixels around its centre,
//
//   scale = in / out    reach = max(scale, 1)    centre = (x + 1/2) scale
//   weight of input i ~ max(0, 1 - |i + 1/2 - centre| / reach)        normalized to a sum of one
//
// Rows first, then columns; both with weights of 22 bits in int32, sums rounded to a byte. All weights are computed in
// double by the same operations on every machine.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/data/image.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {

/// The weights of one axis.
struct resize_axis {
    struct window {
        dim_t first;        ///< input pixel
        std::size_t weight; ///< of `weights`
        dim_t count;
    };
    std::vector<window> windows; ///< one for each output pixel
    std::vector<std::int32_t> weights;
    static constexpr int bits = 22;

    void plan(dim_t in, dim_t out) {
        windows.clear();
        weights.clear();
        const double scale = static_cast<double>(in) / static_cast<double>(out), reach = std::max(scale, 1.0);
        std::vector<double> row;
        for (dim_t x = 0; x < out; ++x) {
            const double centre = (static_cast<double>(x) + 0.5) * scale;
            const dim_t first = std::max<dim_t>(static_cast<dim_t>(centre - reach + 0.5), 0);
            const dim_t last = std::min(static_cast<dim_t>(centre + reach + 0.5), in); // one past it
            row.clear();
            double sum = 0;
            for (dim_t i = first; i < last; ++i) {
                const double away = std::abs((static_cast<double>(i) - centre + 0.5) * (1.0 / reach));
                row.push_back(away < 1 ? 1 - away : 0.0);
                sum += row.back();
            }
            windows.push_back({first, weights.size(), last - first});
            for (const double w : row)
                weights.push_back(static_cast<std::int32_t>(0.5 + w / sum * static_cast<double>(1 << bits)));
        }
    }
};

/// Sum of weights times bytes, which lie `stride` apart, as a byte.
inline std::uint8_t weighted_byte(const std::uint8_t* at, dim_t stride, const std::int32_t* weights, dim_t count) {
    std::int32_t sum = 1 << (resize_axis::bits - 1); // at most 255 x 2^22 and a half: below 2^31
    for (dim_t i = 0; i < count; ++i) sum += at[i * stride] * weights[i];
    return static_cast<std::uint8_t>(std::clamp(sum >> resize_axis::bits, 0, 255));
}

} // namespace detail

/// Resizes; remembers the weights and the memory of the last call.
class resizer {
public:
    /// Writes `from`, of at least one pixel, as height x width pixels.
    void resize(const image_view& from, dim_t height, dim_t width, image& into) {
        columns_.plan(from.width, width);
        rows_.plan(from.height, height);
        const dim_t channels = from.channels;
        between_.resize(from.height, width, channels);
        for (dim_t y = 0; y < from.height; ++y) {
            std::uint8_t* out = between_.row(y);
            for (const auto& w : columns_.windows)
                for (dim_t c = 0; c < channels; ++c)
                    *out++ = detail::weighted_byte(from.pixel(y, w.first) + c, channels, &columns_.weights[w.weight],
                                                   w.count);
        }
        into.resize(height, width, channels);
        const image_view between = between_;
        sums_.resize(static_cast<std::size_t>(width * channels));
        for (dim_t y = 0; y < height; ++y) { // whole rows at a time: the loop over a row becomes vector code
            const auto& w = rows_.windows[static_cast<std::size_t>(y)];
            std::fill(sums_.begin(), sums_.end(), 1 << (detail::resize_axis::bits - 1));
            for (dim_t i = 0; i < w.count; ++i) {
                const std::uint8_t* const row = between.row(w.first + i);
                const std::int32_t weight = rows_.weights[w.weight + static_cast<std::size_t>(i)];
                for (std::size_t x = 0; x < sums_.size(); ++x) sums_[x] += row[x] * weight;
            }
            std::uint8_t* const out = into.row(y);
            for (std::size_t x = 0; x < sums_.size(); ++x)
                out[x] = static_cast<std::uint8_t>(std::clamp(sums_[x] >> detail::resize_axis::bits, 0, 255));
        }
    }

private:
    detail::resize_axis columns_, rows_;
    image between_;
    std::vector<std::int32_t> sums_;
};

} // namespace intaglio::inline INTAGLIO_ABI::data
