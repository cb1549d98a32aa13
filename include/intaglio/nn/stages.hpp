// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a network for integer inference is made of, one after another, apart from its weights: convolutions with square
// kernels, maxima over windows, the average over the image. Each says what it makes of an image's shape, batch x height
// x width x channels. A linear layer is a convolution of one pixel.

#include <string>

#include "intaglio/conv/geometry.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// What a convolution is apart from its weights. Square kernels, the same padding on all sides.
struct conv2d_shape {
    dim_t in_channels = 0;
    dim_t out_channels = 0;
    dim_t kernel = 1;  ///< in pixels, both ways
    dim_t stride = 1;  ///< in pixels, both ways
    dim_t padding = 0; ///< in pixels, each side

    /// The geometry for an input of shape `in`; shape_error naming `layer` where the channels differ.
    conv_geometry on(const extents& in, const std::string& layer) const {
        require(in.rank() == 4 && in[3] == in_channels, layer, ": expected ", in_channels,
                " channels, got an input of ", in);
        conv_geometry g;
        g.batch = in[0], g.height = in[1], g.width = in[2];
        g.in_channels = in_channels, g.out_channels = out_channels;
        g.kernel_h = g.kernel_w = kernel;
        g.stride_h = g.stride_w = stride;
        g.pad_h = g.pad_w = padding;
        g.check();
        return g;
    }
    dim_t filter_size() const { return kernel * kernel * in_channels; } ///< values in the filter of one output channel
};

struct max_pool_stage {
    dim_t window = 0, stride = 0; ///< in pixels, both ways

    extents output_shape(const extents& in) const {
        require<value_error>(window > 0 && stride > 0, "max_pool: window and stride should be positive, are ", window,
                             " and ", stride);
        require(in.rank() == 4 && in[1] >= window && in[2] >= window, "max_pool: a window of ", window, " x ", window,
                " does not fit an input of ", in);
        return {in[0], (in[1] - window) / stride + 1, (in[2] - window) / stride + 1, in[3]};
    }
};

struct average_pool_stage {
    extents output_shape(const extents& in) const {
        require(in.rank() == 4 && in[1] > 0 && in[2] > 0,
                "global_average_pool: expected images of at least one pixel, got ", in);
        return {in[0], 1, 1, in[3]};
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
