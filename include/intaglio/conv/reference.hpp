// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the three passes of a convolution are: the normative scalar text, by explicit loops over taps and pixels. Each
// pass is a product (gemm/reference.hpp says what that means) whose reduction runs in a stated order:
//
//   forward          out(b, y, x, o)       = sum over (r, s, c) of in(tap) * filter(o, r, s, c)
//   input gradient   d_in(b, h, w, c)      = sum over (r, s, o) of d_out(b, y, x, o) * filter(o, r, s, c)
//   weight gradient  d_filter(o, r, s, c)  = sum over (b, y, x) of d_out(b, y, x, o) * in(tap)
//
// Positions outside of an image count as zeros, and zeros are multiplied like any number: where a weight or a gradient
// that meets them is infinite or NaN, the output is NaN. So they do in an input gradient, where (y, x) is outside of
// the output; taps that lie between two outputs of a stride are not in its sum. Each tuple ascends with its last index
// fastest. o and c stay in one group.

#include "intaglio/conv/geometry.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/reference.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {
/// The number at a pixel of the input, which may lie outside: zero there.
template <class Format>
number<Format> pixel_or_zero(const conv_geometry& g, std::span<const typename Format::storage> values, dim_t b, dim_t h,
                             dim_t w, dim_t c) {
    if (h < 0 || h >= g.height || w < 0 || w >= g.width) return 0;
    return number_at<Format>(values.data() + ((b * g.height + h) * g.width + w) * g.in_channels + c,
                             g.in_pixels() * g.in_channels);
}
/// The same of the output's gradient.
template <class Format>
number<Format> gradient_or_zero(const conv_geometry& g, std::span<const typename Format::storage> values, dim_t b,
                                dim_t y, dim_t x, dim_t o) {
    if (y < 0 || y >= g.out_height() || x < 0 || x >= g.out_width()) return 0;
    return number_at<Format>(values.data() + ((b * g.out_height() + y) * g.out_width() + x) * g.out_channels + o,
                             g.out_pixels() * g.out_channels);
}

/// Along one axis, the position of the output that input position `at` meets at a tap, which may lie outside; none
/// where it is between two.
constexpr std::optional<dim_t> output_at(dim_t at, dim_t tap, dim_t stride, dim_t pad, dim_t dilation) {
    const dim_t scaled = at + pad - tap * dilation;
    if (scaled % stride != 0) return std::nullopt;
    return scaled / stride;
}

template <GemmPolicy P>
constexpr bool one_plane_one_scale =
    P::lhs::planes == 1 && P::rhs::planes == 1 &&
    std::is_same_v<typename P::lhs::sharing, per_tensor>&& std::is_same_v<typename P::rhs::sharing, per_tensor>;

/// Throws unless a dense operand has `count` numbers.
template <class Format, class T>
void require_reference_size(const char* name, std::span<const T> values, dim_t count) {
    require<shape_error>(std::ssize(values) == stored_planes<Format> * count, "convolution: ", name, " should have ",
                         stored_planes<Format> * count, " elements but has ", std::ssize(values));
}

inline constexpr auto no_block_scale = [](auto...) { return std::uint8_t{1}; };

template <GemmPolicy P, class Out>
void store_reference(Out& out, typename P::total total, double lhs_scale, double rhs_scale, float rhs_row_scale = 1) {
    if constexpr (std::is_same_v<Out, float>)
        out = reference_value(total, lhs_scale, rhs_scale, 1, rhs_row_scale);
    else
        out = total;
}
} // namespace detail

/// `filter` is (filter_size, out_channels): k = (r, s, c) down, a column for each filter. out is (out_pixels,
/// out_channels), raw totals or float.
template <GemmPolicy P, class Out>
void reference_conv_forward(const conv_geometry& g, std::span<const typename P::lhs::storage> in, double in_scale,
                            const rhs_view<P>& filter, matrix_view<Out> out) {
    const float_environment scope;
    static_assert(std::is_same_v<typename P::lhs::sharing, per_tensor>,
                  "convolution: activations have one scale for the whole tensor");
    g.check();
    detail::require_reference_size<typename P::lhs::format>("the input", in, g.in_pixels() * g.in_channels);
    const dim_t k = g.filter_size(), channels = g.group_in_channels(), filters = g.group_out_channels();
    require<shape_error>(filter.values.rows() == k && filter.values.cols() == g.out_channels,
                         "convolution: the filters should be ", k, " x ", g.out_channels, " but are ",
                         filter.values.rows(), " x ", filter.values.cols());
    require<shape_error>(out.rows() == g.out_pixels() && out.cols() == g.out_channels,
                         "convolution: the output should be ", g.out_pixels(), " x ", g.out_channels, " but is ",
                         out.rows(), " x ", out.cols());

    const auto* const filter_scales = filter.scales.data();
    std::vector<detail::number<typename P::lhs::format>> taps(static_cast<std::size_t>(k));
    dim_t row = 0;
    for (dim_t b = 0; b < g.batch; ++b)
        for (dim_t y = 0; y < g.out_height(); ++y)
            for (dim_t x = 0; x < g.out_width(); ++x, ++row)
                for (dim_t group = 0; group < g.groups; ++group) {
                    std::size_t at = 0;
                    for (dim_t r = 0; r < g.kernel_h; ++r)
                        for (dim_t s = 0; s < g.kernel_w; ++s)
                            for (dim_t c = 0; c < channels; ++c)
                                taps[at++] = detail::pixel_or_zero<typename P::lhs::format>(
                                    g, in, b, y * g.stride_h + r * g.dilation_h - g.pad_h,
                                    x * g.stride_w + s * g.dilation_w - g.pad_w, group * channels + c);
                    for (dim_t o = group * filters; o < (group + 1) * filters; ++o) {
                        const auto& f = filter.values;
                        const auto total = reference_total<P>(
                            k, [&](dim_t kk) { return taps[static_cast<std::size_t>(kk)]; }, detail::no_block_scale,
                            [&](int p, dim_t kk) {
                                return detail::number_at<typename P::rhs::format>(&f(kk, o) + p * filter.plane_stride,
                                                                                  filter.plane_stride);
                            },
                            [&](int p, dim_t block) {
                                return filter_scales[detail::block_scale_at<typename P::rhs>(p, o, g.out_channels,
                                                                                             block, k)];
                            });
                        float channel_scale = 1;
                        if constexpr (detail::scales_by_row<typename P::rhs>) channel_scale = filter_scales[o];
                        detail::store_reference<P>(out(row, o), total, in_scale, filter.scale, channel_scale);
                    }
                }
}

/// `filter` is KRSC data. d_in is (in_pixels, in_channels), raw totals or float.
template <GemmPolicy P, class Out>
void reference_conv_input_gradient(const conv_geometry& g, std::span<const typename P::lhs::storage> d_out,
                                   double d_out_scale, std::span<const typename P::rhs::storage> filter,
                                   double filter_scale, matrix_view<Out> d_in) {
    const float_environment scope;
    static_assert(detail::one_plane_one_scale<P>,
                  "convolution: gradients take operands of one plane with one scale for the whole tensor");
    g.check();
    detail::require_reference_size<typename P::lhs::format>("the gradient", d_out, g.out_pixels() * g.out_channels);
    detail::require_reference_size<typename P::rhs::format>("the filters", filter, g.out_channels * g.filter_size());
    const dim_t channels = g.group_in_channels(), filters = g.group_out_channels();
    require<shape_error>(d_in.rows() == g.in_pixels() && d_in.cols() == g.in_channels,
                         "convolution: the input gradient should be ", g.in_pixels(), " x ", g.in_channels, " but is ",
                         d_in.rows(), " x ", d_in.cols());

    std::vector<detail::number<typename P::lhs::format>> lhs;
    std::vector<detail::number<typename P::rhs::format>> rhs;
    dim_t row = 0;
    for (dim_t b = 0; b < g.batch; ++b)
        for (dim_t h = 0; h < g.height; ++h)
            for (dim_t w = 0; w < g.width; ++w, ++row)
                for (dim_t c = 0; c < g.in_channels; ++c) {
                    lhs.clear();
                    rhs.clear();
                    const dim_t group = c / channels;
                    for (dim_t r = 0; r < g.kernel_h; ++r)
                        for (dim_t s = 0; s < g.kernel_w; ++s) {
                            const auto y = detail::output_at(h, r, g.stride_h, g.pad_h, g.dilation_h);
                            const auto x = detail::output_at(w, s, g.stride_w, g.pad_w, g.dilation_w);
                            if (!y || !x) continue;
                            for (dim_t o = group * filters; o < (group + 1) * filters; ++o) {
                                lhs.push_back(
                                    detail::gradient_or_zero<typename P::lhs::format>(g, d_out, b, *y, *x, o));
                                rhs.push_back(detail::number_at<typename P::rhs::format>(
                                    filter.data() + ((o * g.kernel_h + r) * g.kernel_w + s) * channels + c -
                                        group * channels,
                                    g.out_channels * g.filter_size()));
                            }
                        }
                    const auto total = reference_total<P>(
                        static_cast<dim_t>(lhs.size()), [&](dim_t kk) { return lhs[static_cast<std::size_t>(kk)]; },
                        detail::no_block_scale, [&](int, dim_t kk) { return rhs[static_cast<std::size_t>(kk)]; },
                        detail::no_block_scale);
                    detail::store_reference<P>(d_in(row, c), total, d_out_scale, filter_scale);
                }
}

/// d_filter is (out_channels, filter_size), raw totals or float: KRSC where it is dense.
template <GemmPolicy P, class Out>
void reference_conv_weight_gradient(const conv_geometry& g, std::span<const typename P::lhs::storage> in,
                                    double in_scale, std::span<const typename P::rhs::storage> d_out,
                                    double d_out_scale, matrix_view<Out> d_filter) {
    const float_environment scope;
    static_assert(detail::one_plane_one_scale<P>,
                  "convolution: gradients take operands of one plane with one scale for the whole tensor");
    g.check();
    detail::require_reference_size<typename P::lhs::format>("the input", in, g.in_pixels() * g.in_channels);
    detail::require_reference_size<typename P::rhs::format>("the gradient", d_out, g.out_pixels() * g.out_channels);
    const dim_t channels = g.group_in_channels(), filters = g.group_out_channels(), pixels = g.out_pixels();
    require<shape_error>(d_filter.rows() == g.out_channels && d_filter.cols() == g.filter_size(),
                         "convolution: the weight gradient should be ", g.out_channels, " x ", g.filter_size(),
                         " but is ", d_filter.rows(), " x ", d_filter.cols());

    std::vector<detail::number<typename P::lhs::format>> taps(static_cast<std::size_t>(pixels));
    for (dim_t group = 0; group < g.groups; ++group)
        for (dim_t r = 0; r < g.kernel_h; ++r)
            for (dim_t s = 0; s < g.kernel_w; ++s)
                for (dim_t c = 0; c < channels; ++c) {
                    std::size_t at = 0;
                    for (dim_t b = 0; b < g.batch; ++b)
                        for (dim_t y = 0; y < g.out_height(); ++y)
                            for (dim_t x = 0; x < g.out_width(); ++x)
                                taps[at++] = detail::pixel_or_zero<typename P::lhs::format>(
                                    g, in, b, y * g.stride_h + r * g.dilation_h - g.pad_h,
                                    x * g.stride_w + s * g.dilation_w - g.pad_w, group * channels + c);
                    for (dim_t o = group * filters; o < (group + 1) * filters; ++o) {
                        const auto total = reference_total<P>(
                            pixels, [&](dim_t kk) { return taps[static_cast<std::size_t>(kk)]; },
                            detail::no_block_scale,
                            [&](int, dim_t kk) {
                                return detail::number_at<typename P::rhs::format>(
                                    d_out.data() + kk * g.out_channels + o, pixels * g.out_channels);
                            },
                            detail::no_block_scale);
                        detail::store_reference<P>(d_filter(o, (r * g.kernel_w + s) * channels + c), total, in_scale,
                                                   d_out_scale);
                    }
                }
}

} // namespace intaglio::inline INTAGLIO_ABI
