// SPDX-License-Identifier: Apache-2.0
#pragma once

// Convolution, all three passes, for any policy: each is one product per group, read through a source (sources.hpp).
//
//   pass             rows of lhs                reduction                        columns of rhs        lhs reads
//   forward          output pixels              kernel_h x kernel_w x channels   filters               input, window by window
//   input gradient   input pixels               taps that hit x filters          input channels        output gradient, window by window
//   weight gradient  kernel_h kernel_w channels output pixels                    filters               input, pixel by pixel
//
// The input gradient of a strided convolution falls apart into stride_h x stride_w products, one for the input pixels of each residue: they meet different taps.
// Layouts and errors: geometry.hpp. All of an operand's integers share one scale, but for the filters of the forward pass, which take any sharing.

#include <numeric>
#include <vector>

#include "intaglio/conv/line_source.hpp"
#include "intaglio/conv/sources.hpp"
#include "intaglio/gemm/gemm.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Filters (out_channels, kernel_h, kernel_w, in_channels / groups) of a policy, packed for the forward pass: one packed rhs per group.
template <GemmPolicy P, class Arch = simd::native_arch>
struct packed_filter {
    std::vector<packed_rhs<P, Arch>> groups;
    index bytes() const {
        return std::accumulate(groups.begin(), groups.end(), index{0}, [](index sum, const auto& g) { return sum + g.bytes(); });
    }
};

namespace detail {

inline window_axis forward_axis(index size, index out, index kernel, index stride, index pad, index dilation) {
    return {out, size, kernel, -pad, stride, dilation};
}
inline window_axis forward_y(const conv_geometry& g) { return forward_axis(g.height, g.out_height(), g.kernel_h, g.stride_h, g.pad_h, g.dilation_h); }
inline window_axis forward_x(const conv_geometry& g) { return forward_axis(g.width, g.out_width(), g.kernel_w, g.stride_w, g.pad_w, g.dilation_w); }

/// The taps that input positions of one residue (position % stride == residue) meet, and where the output gradients lie that they meet:
/// y stride + r dilation - pad = position, for r = first_tap, first_tap + tap_step, ...
struct gradient_axis {
    window_axis window; ///< over the output gradient; outputs = input positions of this residue
    index first_tap = 0;
    index tap_step = 1;
};

inline gradient_axis axis_of_residue(index size, index out, index kernel, index stride, index pad, index dilation, index residue) {
    gradient_axis axis;
    axis.tap_step = stride / std::gcd(stride, dilation);
    axis.window = {residue < size ? (size - residue - 1) / stride + 1 : 0, out, 0, 0, 1, -(axis.tap_step * dilation / stride)}; // no tap yet
    for (index r = 0; r < std::min(kernel, axis.tap_step); ++r) {
        if ((residue + pad - r * dilation) % stride != 0) continue;
        axis.first_tap = r;
        axis.window.taps = (kernel - 1 - r) / axis.tap_step + 1;
        axis.window.first = (residue + pad - r * dilation) / stride;
        break;
    }
    return axis;
}

/// The columns of an output, or of the stages' parameters, from `first` on: what a group sees as its own.
template <class T>
matrix_view<T> columns_from(const matrix_view<T>& v, index first, index count) {
    return {v.data ? v.data + first * v.col_stride : nullptr, v.rows, count, v.row_stride, v.col_stride};
}
template <class T>
quantized_view<T> columns_from(const quantized_view<T>& v, index first, index count) {
    return {columns_from(v.values, first, count), v.inverse_scale};
}

template <class Stages>
struct shifted_stages {
    const Stages& stages;
    index first;
    static constexpr bool empty = Stages::empty;
    INTAGLIO_INLINE void operator()(float* v, index row, index col, index count) const { stages(v, row, first + col, count); }
};

/// Rows of a product as pixels of the whole image, where they are those of one residue: listed, since a tile would divide three times for each of its rows.
struct listed_rows {
    std::vector<index> pixels; ///< empty: every pixel in order
    index operator()(index row) const { return pixels.empty() ? row : pixels[static_cast<std::size_t>(row)]; }
};

inline listed_rows residue_rows(const conv_geometry& g, index residue, index outputs_y, index outputs_x) {
    listed_rows rows;
    if (g.stride_h * g.stride_w == 1) return rows;
    rows.pixels.reserve(static_cast<std::size_t>(g.batch * outputs_y * outputs_x));
    for (index b = 0; b < g.batch; ++b)
        for (index y = 0; y < outputs_y; ++y)
            for (index x = 0; x < outputs_x; ++x)
                rows.pixels.push_back((b * g.height + residue / g.stride_w + y * g.stride_h) * g.width + residue % g.stride_w + x * g.stride_w);
    return rows;
}

/// The reduction of one row of taps in the forward product of a policy. Where few channels make it no whole number of steps, as three do, it
/// is padded with zeros, so that windows can be read in place. Only for sums that zeros don't change, and where no block of scales is cut.
template <class Traits>
index tap_segment(const conv_geometry& g) {
    const index row = g.kernel_w * g.group_in_channels();
    const bool pays = g.kernel_h > 1 && g.dilation_w == 1 && Traits::block == 0 && !Traits::float_total && Traits::atom::m == 1;
    return pays ? round_up(row, Traits::k) : row;
}

template <class T>
void require_data(const char* what, const T* data, index size) {
    require<value_error>(data || size == 0, "convolution: the pointer to the ", what, " is null");
}

/// An operand that is checked here and not by the product: one that is rhs, or of which every group is a product of its own.
template <class Format, class T>
void require_dense_range(const char* name, const T* data, index pixels, index channels) {
    require_range<Format>(name, rhs_rows<T>{data, channels, 1}, pixels, channels);
}

/// lhs of a convolution in groups, each of which is a product of its own: checked as a whole, before any of them writes.
template <GemmPolicy P>
void require_grouped_lhs(const conv_geometry& g, const char* name, const typename P::lhs::storage* data, index pixels, index channels) {
    if (checks_lhs<P> && g.groups > 1) require_dense_range<typename P::lhs::format>(name, data, pixels, channels);
}

/// The single-scale policies that gradients take.
template <GemmPolicy P>
constexpr void require_gradient_policy() {
    static_assert(std::is_same_v<typename P::lhs::sharing, per_tensor> && std::is_same_v<typename P::rhs::sharing, per_tensor> && P::rhs::planes == 1,
                  "convolution: gradients need one scale per tensor and one plane of storage on both sides; use fp32 or a dfp16 policy");
    static_assert(std::is_same_v<typename P::lhs::format, typename P::rhs::format>,
                  "convolution: in the gradients each operand stands on either side, so both need the same format");
}

} // namespace detail

/// The filters as the right-hand side of the forward product: a (kernel_h kernel_w in_channels / groups) x out_channels view of dense filters.
template <class T>
matrix_view<const T> filter_matrix(const conv_geometry& g, const T* filters) {
    return matrix_view<const T>(filters, g.out_channels, g.filter_size()).transposed();
}

/// Packs filters for the forward pass. `filter.values` is filter_matrix(g, ...), scales as in gemm. Throws as pack_rhs does.
template <GemmPolicy P, class Arch = simd::native_arch>
packed_filter<P, Arch> pack_filter(const conv_geometry& g, const rhs_view<P>& filter, executor_ref exec = {}, rhs_storage stored = rhs_storage::fast) {
    g.check();
    require(filter.values.rows == g.filter_size() && filter.values.cols == g.out_channels, "pack_filter: the filters are a ", filter.values.rows, " x ",
            filter.values.cols, " matrix, the geometry needs ", g.filter_size(), " x ", g.out_channels);
    packed_filter<P, Arch> packed;
    const index count = g.group_out_channels();
    for (index group = 0; group < g.groups; ++group) {
        rhs_view<P> part = filter;
        part.values = detail::columns_from(filter.values, group * count, count);
        std::vector<std::remove_const_t<std::remove_pointer_t<decltype(part.scales)>>> scales; // of this group's columns
        if (P::rhs::sharing::by_row && filter.scales) {
            const index blocks = P::rhs::block > 0 ? detail::ceil_div(g.filter_size(), P::rhs::block) : 1, planes = P::rhs::block > 0 ? P::rhs::planes : 1;
            for (index p = 0; p < planes; ++p) {
                const auto* first = filter.scales + (p * g.out_channels + group * count) * blocks;
                scales.insert(scales.end(), first, first + count * blocks);
            }
            part.scales = scales.data();
        }
        const index row = g.kernel_w * g.group_in_channels(), segment = detail::tap_segment<detail::kernel_traits<P, Arch>>(g);
        std::vector<typename P::rhs::storage> padded;
        if (segment != row) {
            padded.assign(static_cast<std::size_t>(count * g.kernel_h * segment), 0);
            for (index o = 0; o < count; ++o)
                for (index e = 0; e < g.filter_size(); ++e)
                    padded[static_cast<std::size_t>((o * g.kernel_h + e / row) * segment + e % row)] = part.values(e, o);
            part.values = matrix_view<const typename P::rhs::storage>(padded.data(), count, g.kernel_h * segment).transposed();
        }
        packed.groups.push_back(pack_rhs<P, Arch>(part, exec, stored));
    }
    return packed;
}

/// out(batch out_height out_width, out_channels) = convolution of x (batch, height, width, in_channels) with packed filters, then the stages.
/// Throws shape_error or value_error, `out` untouched, where something does not fit.
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void conv_forward(const conv_geometry& g, const typename P::lhs::storage* x, double x_scale, const packed_filter<P, Arch>& filter, Out out,
                  const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {}, audit* check = nullptr) {
    static_assert(std::is_same_v<typename P::lhs::sharing, per_tensor>, "conv_forward: the activations share one scale; use an lhs operand with per_tensor");
    g.check();
    detail::require_data("input", x, g.in_pixels() * g.in_channels);
    const index segment = detail::tap_segment<detail::kernel_traits<P, Arch>>(g);
    require(static_cast<index>(filter.groups.size()) == g.groups && filter.groups.front().k() == g.kernel_h * segment &&
                filter.groups.front().n() == g.group_out_channels(),
            "conv_forward: the packed filters are ", filter.groups.size(), " groups of ", filter.groups.empty() ? 0 : filter.groups.front().k(), " x ",
            filter.groups.empty() ? 0 : filter.groups.front().n(), ", the geometry needs ", g.groups, " of ", g.kernel_h * segment, " x ", g.group_out_channels());
    detail::check_output<P, Out, epilogue<Stages...>>("conv_forward", out, g.out_pixels(), g.out_channels);
    detail::require_grouped_lhs<P>(g, "the input", x, g.in_pixels(), g.in_channels);
    for (index group = 0; group < g.groups; ++group) {
        const index count = g.group_in_channels(), first = group * g.group_out_channels();
        const detail::image_view<typename P::lhs::storage> image{x, g.batch, g.height, g.width, g.in_channels, group * count, count};
        const detail::tap_source source(image, detail::forward_y(g), detail::forward_x(g), segment);
        detail::multiply<P, Arch>(source, x_scale, nullptr, filter.groups[static_cast<std::size_t>(group)], detail::columns_from(out, first, g.group_out_channels()),
                                  detail::shifted_stages<epilogue<Stages...>>{stages, first}, detail::same_row{}, exec, check);
    }
}

/// d_x(batch height width, in_channels) = the gradient by the input, from d_out (batch, out_height, out_width, out_channels) and dense filters, then the stages.
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void conv_input_gradient(const conv_geometry& g, const typename P::lhs::storage* d_out, double d_out_scale, const typename P::rhs::storage* filter,
                         double filter_scale, Out d_x, const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {}, audit* check = nullptr) {
    detail::require_gradient_policy<P>();
    using storage = typename P::lhs::storage;
    g.check();
    detail::require_data("output gradient", d_out, g.out_pixels() * g.out_channels);
    detail::require_data("filters", filter, g.out_channels * g.filter_size());
    detail::check_output<P, Out, epilogue<Stages...>>("conv_input_gradient", d_x, g.in_pixels(), g.in_channels);
    detail::check_reduction<P>(g.kernel_h * g.kernel_w * g.group_out_channels());
    detail::require_grouped_lhs<P>(g, "the output gradient", d_out, g.out_pixels(), g.out_channels);
    detail::require_dense_range<typename P::rhs::format>("the filters", filter, g.out_channels, g.filter_size());
    const index filters = g.group_out_channels(), channels = g.group_in_channels();
    std::vector<index> offsets;
    for (index group = 0; group < g.groups; ++group) {
        const detail::image_view<storage> image{d_out, g.batch, g.out_height(), g.out_width(), g.out_channels, group * filters, filters};
        for (index residue = 0; residue < g.stride_h * g.stride_w; ++residue) {
            const auto y = detail::axis_of_residue(g.height, g.out_height(), g.kernel_h, g.stride_h, g.pad_h, g.dilation_h, residue / g.stride_w);
            const auto x = detail::axis_of_residue(g.width, g.out_width(), g.kernel_w, g.stride_w, g.pad_w, g.dilation_w, residue % g.stride_w);
            // rhs: for each tap that hits and each filter of the group, the row of its input channels
            offsets.clear();
            for (index r = 0; r < y.window.taps; ++r)
                for (index s = 0; s < x.window.taps; ++s)
                    for (index o = 0; o < filters; ++o) {
                        const index tap = (y.first_tap + r * y.tap_step) * g.kernel_w + x.first_tap + s * x.tap_step;
                        offsets.push_back((group * filters + o) * g.filter_size() + tap * channels);
                    }
            rhs_view<P> scale_only;
            scale_only.scale = filter_scale;
            const auto rhs = packed_rhs<P, Arch>::make({filter, 0, 1, offsets.data()}, static_cast<index>(offsets.size()), channels, scale_only, exec);
            const detail::listed_rows rows = detail::residue_rows(g, residue, y.window.outputs, x.window.outputs);
            detail::multiply<P, Arch>(detail::tap_source(image, y.window, x.window), d_out_scale, nullptr, rhs,
                                      detail::columns_from(d_x, group * channels, channels),
                                      detail::shifted_stages<epilogue<Stages...>>{stages, group * channels}, rows, exec, check);
        }
    }
}

/// d_filter(out_channels, kernel_h kernel_w in_channels / groups) = the gradient by the filters, from x and d_out, both dense.
template <GemmPolicy P, class Arch = simd::native_arch, class T>
void conv_weight_gradient(const conv_geometry& g, const typename P::lhs::storage* x, double x_scale, const typename P::rhs::storage* d_out, double d_out_scale,
                          matrix_view<T> d_filter, executor_ref exec = {}, audit* check = nullptr) {
    detail::require_gradient_policy<P>();
    using storage = typename P::lhs::storage;
    g.check();
    detail::require_data("input", x, g.in_pixels() * g.in_channels);
    detail::require_data("output gradient", d_out, g.out_pixels() * g.out_channels);
    detail::check_output<P, matrix_view<T>, epilogue<>>("conv_weight_gradient", d_filter, g.out_channels, g.filter_size());
    detail::check_reduction<P>(g.out_pixels());
    detail::require_grouped_lhs<P>(g, "the input", x, g.in_pixels(), g.in_channels);
    using traits = detail::kernel_traits<P, Arch>;
    if (g.groups > 1 || !traits::proven) detail::require_dense_range<typename P::rhs::format>("the output gradient", d_out, g.out_pixels(), g.out_channels);
    const index filters = g.group_out_channels(), channels = g.group_in_channels();
    const auto y = detail::forward_y(g), x_axis = detail::forward_x(g);
    // Single taps are read pixel by pixel; windows line by line. Very short lines are not worth the transposition.
    const bool by_lines = g.kernel_h * g.kernel_w > 1 && g.out_width() >= 4 && channels > 0;
    const index line = by_lines ? detail::round_up(g.out_width(), traits::k) : g.out_width();
    std::vector<index> offsets; // of the rows of rhs: output pixels, and rows of zeros that pad the lines
    std::vector<storage> padded;
    const storage* rhs_data = d_out;
    if (line != g.out_width()) {
        padded.assign(static_cast<std::size_t>(g.out_pixels() * g.out_channels + g.out_channels), storage{0});
        std::copy_n(d_out, g.out_pixels() * g.out_channels, padded.data());
        rhs_data = padded.data();
        for (index l = 0; l < g.batch * g.out_height(); ++l)
            for (index p = 0; p < line; ++p) offsets.push_back((p < g.out_width() ? l * g.out_width() + p : g.out_pixels()) * g.out_channels);
    }
    for (index group = 0; group < g.groups; ++group) {
        const detail::image_view<storage> image{x, g.batch, g.height, g.width, g.in_channels, group * channels, channels};
        rhs_view<P> scale_only;
        scale_only.scale = d_out_scale;
        const detail::rhs_rows<storage> rows{rhs_data + group * filters, g.out_channels, 1, offsets.empty() ? nullptr : offsets.data()};
        const auto rhs = packed_rhs<P, Arch>::make(rows, g.batch * g.out_height() * line, filters, scale_only, exec);
        detail::require_proven_range<P>("the output gradient", rhs.largest(), detail::rhs_rows<storage>{d_out, g.out_channels, 1}, g.out_pixels(), g.out_channels);
        const auto out = detail::columns_from(d_filter.transposed(), group * filters, filters);
        const auto run = [&](const auto& source) { detail::multiply<P, Arch>(source, x_scale, nullptr, rhs, out, epilogue<>{}, detail::same_row{}, exec, check); };
        if (by_lines) {
            detail::line_source lines(image, y, x_axis, traits::k, exec);
            if constexpr (traits::proven) lines.template measure<typename traits::atom>(exec);
            run(lines);
        } else {
            run(detail::pixel_source(image, y, x_axis));
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI
