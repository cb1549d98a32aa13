// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the convolution suites add to gemm/exactness.hpp: geometry as plain numbers and as text.

#include <string>
#include <type_traits>

#include "gemm/exactness.hpp"
#include "intaglio/conv/algorithm.hpp"
#include "intaglio/conv/geometry.hpp"
#include "intaglio/conv/reference.hpp"

namespace exactness {

/// Whether the policy has gradients: those that training uses.
template <GemmPolicy P>
constexpr bool has_gradients = std::is_same_v<P, fp32> || std::is_same_v<P, dfp16_training> ||
                               std::is_same_v<P, dfp16_bytes> || std::is_same_v<P, dfp16_planar>;

inline kernel_tables::conv_shape shape_of(const conv_geometry& g) {
    return {g.batch,    g.height,   g.width, g.in_channels, g.out_channels, g.kernel_h,   g.kernel_w,
            g.stride_h, g.stride_w, g.pad_h, g.pad_w,       g.dilation_h,   g.dilation_w, g.groups};
}

inline std::string describe(const conv_geometry& g) {
    return join("images ", g.batch, " x ", g.height, " x ", g.width, " x ", g.in_channels, ", ", g.out_channels,
                " filters ", g.kernel_h, " x ", g.kernel_w, ", stride ", g.stride_h, " x ", g.stride_w, ", padding ",
                g.pad_h, " x ", g.pad_w, ", dilation ", g.dilation_h, " x ", g.dilation_w, ", groups ", g.groups);
}

} // namespace exactness
