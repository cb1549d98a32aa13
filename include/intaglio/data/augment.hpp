// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random small deformations of images: what keeps a network from learning 1,438 images by heart. Image i under a seed
// and a stream (one per epoch) is always deformed in the same way, in whatever order and thread.

#include <cmath>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/data/digits.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// How far. Each number below is drawn uniformly between minus and plus the bound.
struct deformation {
    float linear = 0.2f; ///< of the four numbers that are added to the unit matrix: rotation, shear, size
    float shift = 0.7f;  ///< in pixels, both ways
};

/// Writes image `image` to `to` (8 x 8, values 0 .. 1). Output pixel p shows the point A (p - centre) + centre + t of
/// the image, by linear interpolation between its four neighbours; outside the image is 0. shape_error unless `to` has
/// 64 values.
inline void deform_digit(const digits& from, dim_t image, const deformation& bound, std::uint64_t seed,
                         std::uint64_t stream, std::span<float> to) {
    const float_environment scope;
    constexpr dim_t side = digits::side;
    require(static_cast<dim_t>(to.size()) == side * side, "deform_digit: an image has ", side * side, " pixels, not ",
            to.size());
    constexpr float centre = static_cast<float>(side - 1) / 2;
    const auto draw = [&](std::uint64_t i, float limit) {
        return limit * (2 * random_uniform(seed, stream, 6 * static_cast<std::uint64_t>(image) + i) - 1);
    };
    const float xx = 1 + draw(0, bound.linear), xy = draw(1, bound.linear), yx = draw(2, bound.linear),
                yy = 1 + draw(3, bound.linear);
    const float shift_x = draw(4, bound.shift), shift_y = draw(5, bound.shift);
    const auto pixel = [&](dim_t y, dim_t x) {
        const bool inside = x >= 0 && x < side && y >= 0 && y < side;
        return inside ? static_cast<float>(from.pixels[static_cast<std::size_t>((image * side + y) * side + x)]) /
                            static_cast<float>(digits::max_value)
                      : 0.0f;
    };
    for (dim_t y = 0; y < side; ++y)
        for (dim_t x = 0; x < side; ++x) {
            const float dx = static_cast<float>(x) - centre, dy = static_cast<float>(y) - centre;
            const float at_x = xx * dx + xy * dy + centre + shift_x, at_y = yx * dx + yy * dy + centre + shift_y;
            const auto left = static_cast<dim_t>(std::floor(at_x)), top = static_cast<dim_t>(std::floor(at_y));
            const float right_share = at_x - static_cast<float>(left), lower_share = at_y - static_cast<float>(top);
            const float upper = (1 - right_share) * pixel(top, left) + right_share * pixel(top, left + 1);
            const float lower = (1 - right_share) * pixel(top + 1, left) + right_share * pixel(top + 1, left + 1);
            to[static_cast<std::size_t>(y * side + x)] = (1 - lower_share) * upper + lower_share * lower;
        }
}

} // namespace intaglio::inline INTAGLIO_ABI::data
