// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the three passes of a convolution share. Each is one product per group, for any policy, read through a source
// (sources.hpp):
//
//   pass              rows of lhs        reduction         columns of rhs   lhs reads
//   forward           output pixels      taps x channels   filters          input, window by window
//   input gradient    input pixels       taps x filters    input channels   output gradient, window by window
//   weight gradient   taps x filters     input pixels      input channels   output gradient, shifted by taps
//     strided         taps x channels    output pixels     filters          input, shifted by taps
//     of a single tap filters            output pixels     input channels   output gradient, pixel by pixel
//
// (taps: kernel_h x kernel_w; those of an input gradient are the ones that hit a pixel.)
//
// Layouts and errors: geometry.hpp; planar_bytes are the high bytes of the whole operand in such a layout, then the low
// ones. All of an operand's integers share one scale, but for the filters of the forward pass, which take any sharing.

#include <span>
#include <type_traits>

#include "intaglio/conv/sources.hpp"
#include "intaglio/gemm/gemm.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

inline window_axis forward_axis(dim_t size, dim_t out, dim_t kernel, dim_t stride, dim_t pad, dim_t dilation) {
    return {out, size, kernel, -pad, stride, dilation};
}
inline window_axis forward_y(const conv_geometry& g) {
    return forward_axis(g.height, g.out_height(), g.kernel_h, g.stride_h, g.pad_h, g.dilation_h);
}
inline window_axis forward_x(const conv_geometry& g) {
    return forward_axis(g.width, g.out_width(), g.kernel_w, g.stride_w, g.pad_w, g.dilation_w);
}

/// The columns of an output from `first` on: what a group sees as its own.
template <class T>
matrix_view<T> columns_from(const matrix_view<T>& v, dim_t first, dim_t count) {
    return v.columns(first, count);
}
template <class T>
quantized_view<T> columns_from(const quantized_view<T>& v, dim_t first, dim_t count) {
    return {v.values.columns(first, count), v.inverse_scale};
}

/// Throws unless a dense operand has the elements that a geometry gives it: `pixels` x `channels` numbers, plane after
/// plane.
template <class Format, class T>
void require_dense(const char* name, std::span<const T> data, dim_t pixels, dim_t channels) {
    constexpr int planes = stored_planes<Format>;
    require(std::ssize(data) == planes * pixels * channels, "convolution: ", name, ": ", std::ssize(data),
            " elements, the geometry needs ", planes == 1 ? "" : join(planes, " planes of "), pixels, " x ", channels);
    require<value_error>(data.data() || data.empty(), "convolution: the pointer to ", name, " is null");
}

/// An operand that is checked here and not by the product: one that is rhs, or of which every group is a product of its
/// own.
template <class Format, class T>
void require_dense_range(const char* name, const T* data, dim_t pixels, dim_t channels) {
    require_range<Format>(name, rhs_rows<T>{data, channels, 1}, pixels, channels);
}

/// lhs of a convolution in groups, each of which is a product of its own: checked as a whole, before any of them
/// writes.
template <GemmPolicy P>
void require_grouped_lhs(const conv_geometry& g, const char* name, const typename P::lhs::storage* data, dim_t pixels,
                         dim_t channels) {
    if (checks_lhs<P> && g.groups > 1) require_dense_range<typename P::lhs::format>(name, data, pixels, channels);
}

/// The single-scale policies that gradients take.
template <GemmPolicy P>
constexpr void require_gradient_policy() {
    static_assert(std::is_same_v<typename P::lhs::sharing, per_tensor> &&
                      std::is_same_v<typename P::rhs::sharing, per_tensor> && P::rhs::planes == 1,
                  "convolution: gradients need one scale per tensor and one plane of storage on both sides; use fp32 "
                  "or a dfp16 policy");
    static_assert(std::is_same_v<typename P::lhs::format, typename P::rhs::format>,
                  "convolution: in the gradients each operand stands on either side, so both need the same format");
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
