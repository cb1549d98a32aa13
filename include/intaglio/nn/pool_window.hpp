// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which pixels a window of a pooling operation covers, along one axis; rows and columns are independent. Window i of a
// kernel of k pixels at stride s starts at i s - padding. A window never starts beyond the image and the padding
// before it, and paddings are at most half the kernel, so each one covers a pixel (PyTorch's rules).

#include <algorithm>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct pool_window {
    dim_t begin = 0;  ///< first pixel, inside the image
    dim_t end = 0;    ///< one past the last
    dim_t padded = 0; ///< pixels with those of the padding, but not beyond it

    friend constexpr bool operator==(const pool_window&, const pool_window&) = default;
};

/// Windows along an axis of `size` pixels. With ceil_mode a last window may reach beyond the padding, if it starts
/// before it. 0 where the kernel is longer than the padded image.
constexpr dim_t pool_size(dim_t size, dim_t kernel, dim_t stride, dim_t padding, bool ceil_mode) {
    const dim_t room = size + 2 * padding - kernel;
    if (room < 0) return 0;
    const dim_t count = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    return ceil_mode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

constexpr pool_window window_at(dim_t i, dim_t size, dim_t kernel, dim_t stride, dim_t padding) {
    const dim_t begin = i * stride - padding, end = std::min(begin + kernel, size + padding);
    return {std::max<dim_t>(begin, 0), std::min(end, size), end - begin};
}

/// Window i of `count` that cover the axis, overlapping by a pixel where they don't divide it.
constexpr pool_window adaptive_window_at(dim_t i, dim_t size, dim_t count) {
    const dim_t begin = i * size / count, end = ((i + 1) * size + count - 1) / count;
    return {begin, end, end - begin};
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
