// SPDX-License-Identifier: Apache-2.0
#pragma once

// The weight gradient of a convolution. pass.hpp compares the three passes.

#include <vector>

#include "intaglio/conv/line_source.hpp"
#include "intaglio/conv/pass.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// The output gradient as it is shifted by taps: window positions are those of the input, without a stride, and taps ascend from the kernel's last.
inline window_axis shifted_axis(index size, index out, index kernel, index pad, index dilation) {
    return {size, out, kernel, pad - (kernel - 1) * dilation, 1, dilation};
}

/// Rows of rhs from channel `first` on.
template <class T>
rhs_rows<T> channels_from(rhs_rows<T> rows, index first) {
    rows.data += first;
    return rows;
}

} // namespace detail

/// d_filter(out_channels, kernel_h kernel_w in_channels / groups) = the gradient by the filters, from x and d_out, both dense; planar_bytes plane after plane.
/// Throws shape_error or value_error, `d_filter` untouched, where something does not fit. An operand outside of its format's range is refused; only -32768 is
/// multiplied, exactly, where it is in the operand that stands on the left (pass.hpp).
template <GemmPolicy P, class Arch = simd::native_arch, class T>
void conv_weight_gradient(const conv_geometry& g, const typename P::lhs::storage* x, double x_scale, const typename P::rhs::storage* d_out, double d_out_scale,
                          matrix_view<T> d_filter, executor_ref exec = {}, audit* check = nullptr) {
    detail::require_gradient_policy<P>();
    using storage = typename P::lhs::storage;
    using traits = detail::kernel_traits<P, Arch>;
    g.check();
    detail::require_data("input", x, g.in_pixels() * g.in_channels);
    detail::require_data("output gradient", d_out, g.out_pixels() * g.out_channels);
    detail::check_output<P, matrix_view<T>, epilogue<>>("conv_weight_gradient", d_filter, g.out_channels, g.filter_size());
    detail::check_reduction<P>(g.out_pixels());
    const index filters = g.group_out_channels(), channels = g.group_in_channels();
    const auto y = detail::forward_y(g), x_axis = detail::forward_x(g);
    const index taps = g.kernel_h * g.kernel_w, columns = channels * d_filter.col_stride;
    // Where rows are filters the output is written in its own order. With a single tap they may be, unless that means to pack the much larger operand; with more, where the
    // window has no stride, unless that fills panels worse. Very short lines are not worth the transposition.
    const auto fill = [](index count) { return static_cast<double>(count) / static_cast<double>(std::max<index>(1, detail::round_up(count, traits::cols))); };
    const bool by_pixels = taps == 1 && g.pad_h == 0 && g.pad_w == 0 && g.out_pixels() * (channels - filters) <= 4 * channels * filters;
    const bool by_lines = taps > 1 && g.out_width() >= 4 && channels > 0;
    const bool by_filters = by_pixels || (by_lines && g.stride_h == 1 && g.stride_w == 1 && fill(channels) >= fill(filters) && d_filter.row_stride % columns == 0);
    struct operand {
        const char* name;
        const storage* data;
        double scale;
        index pixels, channels;
    };
    const operand input{"the input", x, x_scale, g.in_pixels(), g.in_channels}, gradient{"the output gradient", d_out, d_out_scale, g.out_pixels(), g.out_channels};
    const operand &left = by_filters ? gradient : input, &right = by_filters ? input : gradient;
    detail::require_grouped_lhs<P>(g, left.name, left.data, left.pixels, left.channels);
    if (g.groups > 1 || !traits::proven) detail::require_dense_range<typename P::rhs::format>(right.name, right.data, right.pixels, right.channels);
    // packs the right operand and multiplies
    const auto run = [&](const auto& source, const detail::rhs_rows<storage>& rows, index rhs_columns, const matrix_view<T>& out, const auto& map) {
        rhs_view<P> scale_only;
        scale_only.scale = right.scale;
        scale_only.plane_stride = right.pixels * right.channels;
        const auto rhs = packed_rhs<P, Arch>::make(rows, source.depth(), rhs_columns, scale_only, exec);
        detail::require_proven_range<P>(right.name, rhs.largest(), detail::rhs_rows<storage>{right.data, right.channels, 1}, right.pixels, right.channels);
        detail::multiply<P, Arch>(source, left.scale, nullptr, rhs, out, epilogue<>{}, map, exec, check);
    };
    if (by_pixels) {
        std::vector<index> pixels; // of the input, where not all are met
        if (g.stride_h * g.stride_w > 1)
            for (index b = 0; b < g.batch; ++b)
                for (index r = 0; r < g.out_height(); ++r)
                    for (index c = 0; c < g.out_width(); ++c) pixels.push_back(((b * g.height + r * g.stride_h) * g.width + c * g.stride_w) * g.in_channels);
        const detail::rhs_rows<storage> rows{x, g.in_channels, 1, pixels.empty() ? nullptr : pixels.data()};
        const detail::window_axis every_y{g.out_height(), g.out_height()}, every_x{g.out_width(), g.out_width()};
        for (index group = 0; group < g.groups; ++group) {
            const detail::image_view<storage> image{d_out, g.batch, g.out_height(), g.out_width(), g.out_channels, group * filters, filters};
            run(detail::pixel_source(image, every_y, every_x), detail::channels_from(rows, group * channels), channels,
                detail::columns_from(d_filter.transposed(), group * filters, filters).transposed(), detail::same_row{});
        }
        return;
    }
    for (index group = 0; group < g.groups; ++group) {
        const detail::image_view<storage> input_image{x, g.batch, g.height, g.width, g.in_channels, group * channels, channels};
        if (!by_lines) {
            run(detail::pixel_source(input_image, y, x_axis), detail::rhs_rows<storage>{d_out + group * filters, g.out_channels, 1}, filters,
                detail::columns_from(d_filter.transposed(), group * filters, filters), detail::same_row{});
            continue;
        }
        const detail::image_view<storage> gradient_image{d_out, g.batch, g.out_height(), g.out_width(), g.out_channels, group * filters, filters};
        const auto run_lines = [&](const auto& image, const auto& axis_y, const auto& axis_x, const storage* rhs, index rhs_columns, const matrix_view<T>& out, const auto& map) {
            detail::line_source source(image, axis_y, axis_x, traits::k, detail::planes_of_number<typename P::lhs::format>, exec);
            if constexpr (traits::proven) source.template measure<typename traits::atom>(exec);
            const std::vector<index> offsets = source.rhs_offsets(right.channels);
            const std::vector<storage> zeros(static_cast<std::size_t>(rhs_columns));
            run(source, detail::rhs_rows<storage>{rhs, 0, 1, offsets.data(), zeros.data()}, rhs_columns, out, map);
        };
        if (by_filters) {
            detail::listed_rows map;
            for (index tap = taps; tap-- > 0;)
                for (index o = group * filters; o < (group + 1) * filters; ++o) map.places.push_back(o * (d_filter.row_stride / columns) + tap);
            run_lines(gradient_image, detail::shifted_axis(g.height, g.out_height(), g.kernel_h, g.pad_h, g.dilation_h),
                      detail::shifted_axis(g.width, g.out_width(), g.kernel_w, g.pad_w, g.dilation_w), x + group * channels, channels,
                      matrix_view<T>{d_filter.data, g.out_channels * (d_filter.row_stride / columns), channels, columns, d_filter.col_stride}, map);
        } else {
            run_lines(input_image, y, x_axis, d_out + group * filters, filters, detail::columns_from(d_filter.transposed(), group * filters, filters), detail::same_row{});
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI
