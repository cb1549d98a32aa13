// SPDX-License-Identifier: Apache-2.0
#pragma once

// The input gradient of a convolution. A strided one falls apart into stride_h x stride_w products, one for the input
// pixels of each residue: they meet different taps. pass.hpp compares the three passes.

#include <algorithm>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

#include "intaglio/conv/pass.hpp"
#include "intaglio/conv/winograd_choice.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// The taps that input positions of one residue (position % stride == residue) meet, and where the output gradients lie
/// that they meet: y stride + r dilation - pad = position, for r = first_tap, first_tap + tap_step, ...
struct gradient_axis {
    window_axis window; ///< over the output gradient; outputs = input positions of this residue
    dim_t first_tap = 0;
    dim_t tap_step = 1;
};

inline gradient_axis axis_of_residue(dim_t size, dim_t out, dim_t kernel, dim_t stride, dim_t pad, dim_t dilation,
                                     dim_t residue) {
    gradient_axis axis;
    axis.tap_step = stride / std::gcd(stride, dilation);
    // no tap yet
    axis.window = {
        residue < size ? (size - residue - 1) / stride + 1 : 0, out, 0, 0, 1, -(axis.tap_step * dilation / stride)};
    for (dim_t r = 0; r < std::min(kernel, axis.tap_step); ++r) {
        if ((residue + pad - r * dilation) % stride != 0) continue;
        axis.first_tap = r;
        axis.window.taps = (kernel - 1 - r) / axis.tap_step + 1;
        axis.window.first = (residue + pad - r * dilation) / stride;
        break;
    }
    return axis;
}

/// The input pixels of one residue, in order, listed: a tile would divide for each of its rows. Empty where they are
/// all.
inline std::vector<dim_t> residue_rows(const conv_geometry& g, dim_t residue, dim_t outputs_y, dim_t outputs_x) {
    std::vector<dim_t> rows;
    if (g.stride_h * g.stride_w == 1) return rows;
    rows.reserve(static_cast<std::size_t>(g.batch * outputs_y * outputs_x));
    for (dim_t b = 0; b < g.batch; ++b)
        for (dim_t y = 0; y < outputs_y; ++y)
            for (dim_t x = 0; x < outputs_x; ++x)
                rows.push_back((b * g.height + residue / g.stride_w + y * g.stride_h) * g.width + residue % g.stride_w +
                               x * g.stride_w);
    return rows;
}

} // namespace detail

/// Filters packed for the input gradient: for each group, for the input pixels of each residue, the taps that these
/// meet; or for Winograd's products, or for both, where the choice depends on the gradient.
template <GemmPolicy P, class Arch = simd::native_arch>
struct packed_gradient_filter {
    std::vector<packed_rhs<P, Arch>> products; ///< group * stride_h * stride_w + residue
    detail::winograd_filters<P, Arch> winograd;
    dim_t bytes() const {
        return std::accumulate(products.begin(), products.end(), winograd.bytes(),
                               [](dim_t sum, const auto& p) { return sum + p.bytes(); });
    }
};

namespace detail {

/// The taps that the input pixels of one residue meet.
struct residue_taps {
    gradient_axis y, x;
    residue_taps(const conv_geometry& g, dim_t residue)
        : y(axis_of_residue(g.height, g.out_height(), g.kernel_h, g.stride_h, g.pad_h, g.dilation_h,
                            residue / g.stride_w)),
          x(axis_of_residue(g.width, g.out_width(), g.kernel_w, g.stride_w, g.pad_w, g.dilation_w,
                            residue % g.stride_w)) {}
    dim_t count() const { return y.window.taps * x.window.taps; }
    /// The number, in the filter, of tap (r, s) of these.
    dim_t tap(const conv_geometry& g, dim_t r, dim_t s) const {
        return (y.first_tap + r * y.tap_step) * g.kernel_w + x.first_tap + s * x.tap_step;
    }
};

} // namespace detail

/// Packs dense filters (out_channels, kernel_h, kernel_w, in_channels / groups) for the input gradient; planar_bytes
/// plane after plane. `memory` and `form` are as in pack_filter. Throws as that does.
template <GemmPolicy P, class Arch = simd::native_arch>
packed_gradient_filter<P, Arch>
pack_gradient_filter(const conv_geometry& g, std::span<const typename P::rhs::storage> filter, double scale,
                     executor_ref exec = {}, packed_gradient_filter<P, Arch>&& memory = {}, conv_form form = {}) {
    detail::require_gradient_policy<P>();
    g.check();
    detail::require_dense<typename P::rhs::format>("the filters", filter, g.out_channels, g.filter_size());
    detail::check_reduction<P>(g.kernel_h * g.kernel_w * g.group_out_channels());
    detail::require_dense_range<typename P::rhs::format>("the filters", filter.data(), g.out_channels, g.filter_size());
    packed_gradient_filter<P, Arch> packed = std::move(memory);
    const dim_t filters = g.group_out_channels(), channels = g.group_in_channels();
    rhs_view<P> scale_only;
    scale_only.scale = scale;
    scale_only.plane_stride = g.out_channels * g.filter_size();
    if constexpr (detail::has_winograd<P, Arch>) {
        if (packed.winograd.pack("pack_gradient_filter", g, true, filter.data(), scale_only, form, exec)) {
            packed.products.clear();
            return packed;
        }
    } else {
        detail::refuse_winograd("pack_gradient_filter", form);
    }
    packed.products.resize(static_cast<std::size_t>(g.groups * g.stride_h * g.stride_w));
    std::size_t product = 0;
    // of the rows of rhs: for each tap that hits and each filter of the group, the row of its input channels
    std::vector<dim_t> offsets;
    for (dim_t group = 0; group < g.groups; ++group)
        for (dim_t residue = 0; residue < g.stride_h * g.stride_w; ++residue) {
            const detail::residue_taps taps(g, residue);
            offsets.clear();
            for (dim_t r = 0; r < taps.y.window.taps; ++r)
                for (dim_t s = 0; s < taps.x.window.taps; ++s)
                    for (dim_t o = 0; o < filters; ++o)
                        offsets.push_back((group * filters + o) * g.filter_size() + taps.tap(g, r, s) * channels);
            auto& place = packed.products[product++];
            place =
                detail::pack_rows<P, Arch>({filter.data(), 0, 1, offsets.data()}, static_cast<dim_t>(offsets.size()),
                                           channels, scale_only, exec, rhs_storage::fast, {}, std::move(place));
            place.know_lhs(form.largest);
        }
    return packed;
}

/// d_x(batch height width, in_channels) = the gradient by the input, from d_out (batch, out_height, out_width,
/// out_channels) and packed filters, then the stages. Dense planar_bytes: the high bytes of all of d_out, then the low
/// ones. Throws shape_error or value_error, `d_x` untouched, where something does not fit or `d_x` shares memory with
/// d_out.
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void conv_input_gradient(const conv_geometry& g, std::span<const typename P::lhs::storage> d_out, double d_out_scale,
                         const packed_gradient_filter<P, Arch>& filter, Out d_x,
                         const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {},
                         audit* check = nullptr) {
    detail::require_gradient_policy<P>();
    g.check();
    detail::require_dense<typename P::lhs::format>("the output gradient", d_out, g.out_pixels(), g.out_channels);
    const auto written = detail::check_output<P>("conv_input_gradient", d_x, g.in_pixels(), g.in_channels, stages);
    detail::require_apart("conv_input_gradient", "the output gradient", overlap(detail::footprint(d_out), written));
    const dim_t filters = g.group_out_channels(), channels = g.group_in_channels(), residues = g.stride_h * g.stride_w;
    filter.winograd.check("conv_input_gradient", g, filters, channels);
    const bool direct = !filter.products.empty() || filter.winograd.empty();
    require(!direct || static_cast<dim_t>(filter.products.size()) == g.groups * residues,
            "conv_input_gradient: the packed filters are ", filter.products.size(), " products, the geometry needs ",
            g.groups, " groups of ", residues, "; pack them for this geometry with pack_gradient_filter");
    for (dim_t product = 0; direct && product < g.groups * residues; ++product) {
        const auto& rhs = filter.products[static_cast<std::size_t>(product)];
        const dim_t depth = detail::residue_taps(g, product % residues).count() * filters;
        require(rhs.k() == depth && rhs.n() == channels, "conv_input_gradient: product ", product,
                " of the packed filters is ", rhs.k(), " x ", rhs.n(), ", the geometry needs ", depth, " x ", channels,
                "; pack them for this geometry with pack_gradient_filter");
    }
    detail::require_grouped_lhs<P>(g, "the output gradient", d_out.data(), g.out_pixels(), g.out_channels);
    const bool by_winograd = filter.winograd.takes("conv_input_gradient", d_out, direct, exec, check);
    for (dim_t product = 0; product < g.groups * residues; ++product) {
        const dim_t group = product / residues, residue = product % residues;
        const detail::image_view<typename P::lhs::storage> image{
            d_out.data(), g.batch, g.out_height(), g.out_width(), g.out_channels, group * filters, filters};
        if constexpr (detail::has_winograd<P, Arch>)
            if (by_winograd) {
                const Out part = detail::columns_from(d_x, group * channels, channels);
                filter.winograd.run(group, image, detail::input_gradient_grid(g), d_out_scale, part, stages,
                                    group * channels, exec, check);
                continue;
            }
        const detail::residue_taps taps(g, residue);
        const std::vector<dim_t> rows = detail::residue_rows(g, residue, taps.y.window.outputs, taps.x.window.outputs);
        if constexpr (std::is_same_v<Out, matrix_view<float>> && sizeof...(Stages) == 0)
            if (taps.count() == 0 && d_x.col_stride() == 1) { // no tap meets these pixels
                const auto& rhs = filter.products[static_cast<std::size_t>(product)];
                std::vector<float> zeros(static_cast<std::size_t>(channels)); // as products have them
                for (dim_t c = 0; c < channels; ++c)
                    zeros[static_cast<std::size_t>(c)] = output_value(
                        typename P::total{}, output_factor<typename P::total>(d_out_scale * rhs.factors()[c]));
                exec.for_each(std::ssize(rows), [&](dim_t row, int) {
                    std::copy(zeros.begin(), zeros.end(),
                              d_x.data() + rows[static_cast<std::size_t>(row)] * d_x.row_stride() + group * channels);
                });
                continue;
            }
        const Out part = detail::columns_from(d_x, group * channels, channels);
        const detail::output_target<Out, epilogue<Stages...>> to{part, stages, group * channels,
                                                                 rows.empty() ? nullptr : rows.data()};
        detail::multiply<P, Arch>(detail::tap_source(image, taps.y.window, taps.x.window), d_out_scale, {},
                                  filter.products[static_cast<std::size_t>(product)], to, exec, check);
    }
}

/// The same from dense filters, which are packed for this call.
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void conv_input_gradient(const conv_geometry& g, std::span<const typename P::lhs::storage> d_out, double d_out_scale,
                         std::span<const typename P::rhs::storage> filter, double filter_scale, Out d_x,
                         const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {},
                         audit* check = nullptr) {
    conv_input_gradient<P, Arch>(g, d_out, d_out_scale, pack_gradient_filter<P, Arch>(g, filter, filter_scale, exec),
                                 d_x, stages, exec, check);
}

} // namespace intaglio::inline INTAGLIO_ABI
