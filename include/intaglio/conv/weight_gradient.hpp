// SPDX-License-Identifier: Apache-2.0
#pragma once

// The weight gradient of a convolution. pass.hpp compares the three passes.

#include <vector>

#include "intaglio/conv/line_source.hpp"
#include "intaglio/conv/pass.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// The output gradient as rhs, in lines of whole steps of the atom: rows of zeros fill up lines of another length.
template <class T>
struct padded_lines {
    rhs_rows<T> rows;
    buffer<T> memory;
    std::vector<index> offsets;

    padded_lines(const conv_geometry& g, const T* d_out, index line) : rows{d_out, g.out_channels, 1} {
        if (line == g.out_width()) return;
        const index size = g.out_pixels() * g.out_channels;
        memory = buffer<T>(size + g.out_channels, uninitialized);
        std::copy_n(d_out, size, memory.data());
        std::fill_n(memory.data() + size, g.out_channels, T{0});
        for (index l = 0; l < g.batch * g.out_height(); ++l)
            for (index p = 0; p < line; ++p) offsets.push_back((p < g.out_width() ? l * g.out_width() + p : g.out_pixels()) * g.out_channels);
        rows.data = memory.data();
        rows.offsets = offsets.data();
    }
};

/// Rows of rhs from channel `first` on.
template <class T>
rhs_rows<T> channels_from(rhs_rows<T> rows, index first) {
    rows.data += first;
    return rows;
}

} // namespace detail

/// d_filter(out_channels, kernel_h kernel_w in_channels / groups) = the gradient by the filters, from x and d_out, both dense.
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
    // With a single tap the rows may be filters, and the output is written in its own order; unless that means to pack the much larger operand. Windows are read line by
    // line, but very short lines are not worth the transposition.
    const bool by_filters = g.kernel_h * g.kernel_w == 1 && g.pad_h == 0 && g.pad_w == 0 && g.out_pixels() * (channels - filters) <= 4 * channels * filters;
    const bool by_lines = g.kernel_h * g.kernel_w > 1 && g.out_width() >= 4 && channels > 0;
    const index line = by_lines ? detail::round_up(g.out_width(), traits::k) : g.out_width();
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
    const auto run = [&](const auto& source, const detail::rhs_rows<storage>& rows, index columns, const matrix_view<T>& out) {
        rhs_view<P> scale_only;
        scale_only.scale = right.scale;
        const auto rhs = packed_rhs<P, Arch>::make(rows, source.depth(), columns, scale_only, exec);
        detail::require_proven_range<P>(right.name, rhs.largest(), detail::rhs_rows<storage>{right.data, right.channels, 1}, right.pixels, right.channels);
        detail::multiply<P, Arch>(source, left.scale, nullptr, rhs, out, epilogue<>{}, detail::same_row{}, exec, check);
    };
    if (by_filters) {
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
                detail::columns_from(d_filter.transposed(), group * filters, filters).transposed());
        }
        return;
    }
    const detail::padded_lines<storage> lines(g, d_out, line);
    for (index group = 0; group < g.groups; ++group) {
        const detail::image_view<storage> image{x, g.batch, g.height, g.width, g.in_channels, group * channels, channels};
        const auto rows = detail::channels_from(lines.rows, group * filters);
        const auto out = detail::columns_from(d_filter.transposed(), group * filters, filters);
        if (by_lines) {
            detail::line_source source(image, y, x_axis, traits::k, exec);
            if constexpr (traits::proven) source.template measure<typename traits::atom>(exec);
            run(source, rows, filters, out);
        } else {
            run(detail::pixel_source(image, y, x_axis), rows, filters, out);
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI
