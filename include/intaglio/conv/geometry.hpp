// SPDX-License-Identifier: Apache-2.0
#pragma once

// The shape of a convolution: all the numbers that the three passes share, and what follows from them. Layouts are
// channels-last:
//
//   activations  (batch, height, width, in_channels)                        dense
//   outputs      (batch, out_height, out_width, out_channels)               dense
//   filters      (out_channels, kernel_h, kernel_w, in_channels / groups)   dense, so that one filter is a column of
//                                                                           rhs, k = (r, s, c)
//
//   out(b, y, x, o) = sum over r, s, c of  filter(o, r, s, c)
//                     * in(b, y stride_h + r dilation_h - pad_h, x stride_w + s dilation_w - pad_w, c)
//
// where c runs over the channels of o's group and pixels outside the image are zero. Padding is the same on opposite
// sides.

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct conv_geometry {
    dim_t batch = 1;
    dim_t height = 0; ///< of the input, in pixels
    dim_t width = 0;
    dim_t in_channels = 0;
    dim_t out_channels = 0;
    dim_t kernel_h = 1; ///< in taps
    dim_t kernel_w = 1;
    dim_t stride_h = 1;
    dim_t stride_w = 1;
    dim_t pad_h = 0; ///< zero pixels on each side
    dim_t pad_w = 0;
    dim_t dilation_h = 1; ///< from one tap to the next, in pixels
    dim_t dilation_w = 1;
    dim_t groups = 1; ///< each group of out_channels / groups filters sees in_channels / groups channels

    friend constexpr bool operator==(const conv_geometry&, const conv_geometry&) = default;

    constexpr dim_t out_height() const { return out_size(height, kernel_h, stride_h, pad_h, dilation_h); }
    constexpr dim_t out_width() const { return out_size(width, kernel_w, stride_w, pad_w, dilation_w); }
    /// The reduction of the forward pass, and the size of one filter: kernel_h kernel_w in_channels / groups.
    constexpr dim_t filter_size() const { return kernel_h * kernel_w * group_in_channels(); }
    constexpr dim_t group_in_channels() const { return in_channels / groups; }
    constexpr dim_t group_out_channels() const { return out_channels / groups; }
    constexpr dim_t in_pixels() const { return batch * height * width; }
    constexpr dim_t out_pixels() const { return batch * out_height() * out_width(); }
    /// Multiply-adds of one pass, products with padding included (the usual count).
    constexpr dim_t macs() const { return out_pixels() * out_channels * filter_size(); }

    /// Throws shape_error, which names this geometry, unless every size is in range and every derived size fits
    /// `dim_t`. batch and channels may be zero; so may the image, where the padding alone covers the kernel.
    void check() const;

private:
    static constexpr dim_t out_size(dim_t size, dim_t kernel, dim_t stride, dim_t pad, dim_t dilation) {
        const dim_t room = size + 2 * pad - dilation * (kernel - 1) - 1;
        return room < 0 ? 0 : room / stride + 1;
    }
};

namespace detail {
/// Largest size that a convolution takes in any one number; sums and products of two such sizes can't overflow.
inline constexpr dim_t max_conv_size = 0x3fffffff;

/// One fault of a geometry, named together with the two sides: the image that is there and the kernel that was asked
/// for.
inline void require_geometry(const conv_geometry& g, bool ok, const char* fault) {
    require<shape_error>(ok, "convolution of images ", g.batch, " x ", g.height, " x ", g.width, " x ", g.in_channels,
                         " with filters ", g.out_channels, " x ", g.kernel_h, " x ", g.kernel_w, " (stride ",
                         g.stride_h, " x ", g.stride_w, ", padding ", g.pad_h, " x ", g.pad_w, ", dilation ",
                         g.dilation_h, " x ", g.dilation_w, ", groups ", g.groups, "): ", fault);
}
} // namespace detail

inline void conv_geometry::check() const {
    const auto within = [this](const char* fault, dim_t least, auto... sizes) {
        detail::require_geometry(*this, ((sizes >= least && sizes <= detail::max_conv_size) && ...), fault);
    };
    within("a size is negative or above 2^30 - 1", 0, batch, height, width, in_channels, out_channels);
    within("a kernel has at least one tap each way, at most 2^30 - 1", 1, kernel_h, kernel_w);
    within("a stride is at least 1, at most 2^30 - 1", 1, stride_h, stride_w);
    within("a dilation is at least 1, at most 2^30 - 1", 1, dilation_h, dilation_w);
    within("a padding is negative or above 2^30 - 1", 0, pad_h, pad_w);
    within("there is at least one group", 1, groups);
    detail::require_geometry(*this, in_channels % groups == 0, "the groups don't divide the input channels");
    detail::require_geometry(*this, out_channels % groups == 0, "the groups don't divide the filters");
    detail::require_geometry(*this, out_height() > 0, "the dilated kernel is higher than the padded image");
    detail::require_geometry(*this, out_width() > 0, "the dilated kernel is wider than the padded image");
    checked_product({batch, height, width, in_channels});
    checked_product({batch, out_height(), out_width(), out_channels});
    checked_product({out_channels, kernel_h, kernel_w, group_in_channels()});
    checked_product({batch, out_height(), out_width(), kernel_h, kernel_w, group_in_channels(), out_channels});
}

} // namespace intaglio::inline INTAGLIO_ABI
