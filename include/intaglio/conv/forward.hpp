// SPDX-License-Identifier: Apache-2.0
#pragma once

// The forward pass of a convolution: pixels by filters, which are packed once and serve any number of calls. pass.hpp
// compares the three passes.

#include <numeric>
#include <ranges>
#include <span>
#include <vector>

#include "intaglio/conv/pass.hpp"
#include "intaglio/conv/winograd_choice.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Filters (out_channels, kernel_h, kernel_w, in_channels / groups) of a policy, packed for the forward pass: one
/// packed rhs per group, or Winograd's products, or both, where the choice depends on the input.
template <GemmPolicy P, class Arch = simd::native_arch>
struct packed_filter {
    std::vector<packed_rhs<P, Arch>> groups;
    detail::winograd_filters<P, Arch> winograd;
    dim_t bytes() const {
        return std::accumulate(groups.begin(), groups.end(), winograd.bytes(),
                               [](dim_t sum, const auto& g) { return sum + g.bytes(); });
    }
};

namespace detail {

/// The reduction of one row of taps in the forward product of a policy. Where few channels make it no whole number of
/// steps, as three do, it is padded with zeros, so that windows can be read in place. Only for sums that zeros don't
/// change, and where no block of scales is cut: none are once they are `folded`.
template <class Traits>
dim_t tap_segment(const conv_geometry& g, bool folded) {
    const dim_t row = g.kernel_w * g.group_in_channels();
    const bool pays = g.kernel_h > 1 && g.dilation_w == 1 && (Traits::block == 0 || folded) && !Traits::float_total &&
                      Traits::atom::m == 1;
    return pays ? round_up(row, Traits::k) : row;
}

/// Throws unless x and the packed filters fit the geometry.
template <GemmPolicy P, class Arch>
[[gnu::noinline]] void check_forward(const conv_geometry& g, std::span<const typename P::lhs::storage> x,
                                     const packed_filter<P, Arch>& filter) {
    g.check();
    require_dense<typename P::lhs::format>("the input", x, g.in_pixels(), g.in_channels);
    filter.winograd.check("conv_forward", g, g.group_in_channels(), g.group_out_channels());
    require(static_cast<dim_t>(filter.groups.size()) == g.groups || (filter.groups.empty() && !filter.winograd.empty()),
            "conv_forward: the packed filters are ", filter.groups.size(), " groups, the geometry needs ", g.groups);
    for (const auto& packed : filter.groups) {
        const dim_t k = g.kernel_h * tap_segment<kernel_traits<P, Arch>>(g, packed.folded());
        require(packed.k() == k && packed.n() == g.group_out_channels(),
                "conv_forward: a group of the packed filters is ", packed.k(), " x ", packed.n(),
                ", the geometry needs ", k, " x ", g.group_out_channels());
    }
    require_grouped_lhs<P>(g, "the input", x.data(), g.in_pixels(), g.in_channels);
}

} // namespace detail

/// The filters as the right-hand side of the forward product: a (kernel_h kernel_w in_channels / groups) x out_channels
/// view of dense filters, or of the first of their planes. Throws shape_error where `filters` (a vector, a span, a
/// tensor) has another size.
template <std::ranges::contiguous_range Filters>
auto filter_matrix(const conv_geometry& g, const Filters& filters) {
    const dim_t size = g.out_channels * g.filter_size(), given = static_cast<dim_t>(std::ranges::size(filters));
    require(size > 0 ? given >= size && given % size == 0 : given == 0, "filter_matrix: ", given,
            " elements, the geometry needs ", g.out_channels, " x ", g.filter_size(), " in each plane");
    return matrix_view(std::ranges::data(filters), g.out_channels, g.filter_size()).transposed();
}

/// Packs filters for the forward pass. `filter.values` is filter_matrix(g, ...), scales and plane_stride as in gemm.
/// `memory`: packed filters that are no longer needed; their places are taken where sizes agree. `form` says how the
/// pass will be computed, and what is known of its input. Bytes take Winograd's products, which hold int16, in
/// rhs_storage::fast alone. Throws as pack_rhs does, value_error where algorithm::winograd is asked for and can't be
/// exact.
template <GemmPolicy P, class Arch = simd::native_arch>
packed_filter<P, Arch> pack_filter(const conv_geometry& g, const rhs_view<P>& filter,
                                   rhs_storage stored = rhs_storage::fast, executor_ref exec = {},
                                   packed_filter<P, Arch>&& memory = {}, conv_form form = {}) {
    g.check();
    require(filter.values.rows() == g.filter_size() && filter.values.cols() == g.out_channels,
            "pack_filter: the filters are a ", filter.values.rows(), " x ", filter.values.cols(),
            " matrix, the geometry needs ", g.filter_size(), " x ", g.out_channels);
    detail::check_operand("rhs", filter, g.out_channels, g.filter_size());
    packed_filter<P, Arch> packed = std::move(memory);
    if constexpr (detail::has_winograd_forward<P, Arch>) {
        const auto& v = filter.values;
        const bool dense = v.row_stride() == 1 && v.col_stride() == g.filter_size(),
                   roomy = !detail::widens_bytes<P, Arch> || stored == rhs_storage::fast;
        const auto* const w = dense && roomy ? v.data() : nullptr;
        const bool whole = packed.winograd.pack("pack_filter", g, false, w, filter, form, exec);
        if (whole) {
            packed.groups.clear();
            return packed;
        }
    } else {
        detail::refuse_winograd("pack_filter", form);
    }
    packed.groups.resize(static_cast<std::size_t>(g.groups));
    const dim_t count = g.group_out_channels();
    for (dim_t group = 0; group < g.groups; ++group) {
        rhs_view<P> part = filter;
        part.values = filter.values.columns(group * count, count);
        // of this group's columns
        std::vector<typename rhs_view<P>::scale_type> scales;
        if constexpr (P::rhs::sharing::by_row) {
            constexpr dim_t planes = P::rhs::block > 0 ? P::rhs::planes : 1;
            const dim_t in_plane = detail::scale_count<typename P::rhs>(count, g.filter_size()) / planes;
            for (dim_t p = 0; p < planes; ++p) {
                const auto first = filter.scales.begin() + (p * g.groups + group) * in_plane;
                scales.insert(scales.end(), first, first + in_plane);
            }
            part.scales = scales;
        }
        using traits = detail::kernel_traits<P, Arch>;
        auto& place = packed.groups[static_cast<std::size_t>(group)];
        place = pack_rhs<P, Arch>(
            part, stored, exec,
            {g.kernel_w * g.group_in_channels(), detail::tap_segment<traits>(g, traits::can_fold_scales)},
            std::move(place));
        place.know_lhs(form.largest);
    }
    return packed;
}

/// out(batch out_height out_width, out_channels) = convolution of x (batch, height, width, in_channels) with packed
/// filters, then the stages. Dense planar_bytes: the high bytes of all of x, then the low ones. Throws shape_error or
/// value_error, `out` untouched, where something does not fit or `out` shares memory with x.
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void conv_forward(const conv_geometry& g, std::span<const typename P::lhs::storage> x, double x_scale,
                  const packed_filter<P, Arch>& filter, Out out,
                  const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {},
                  audit* check = nullptr) {
    static_assert(std::is_same_v<typename P::lhs::sharing, per_tensor>,
                  "conv_forward: the activations share one scale; use an lhs operand with per_tensor");
    detail::check_forward<P, Arch>(g, x, filter);
    const auto written = detail::check_output<P>("conv_forward", out, g.out_pixels(), g.out_channels, stages);
    detail::require_apart("conv_forward", "the input", overlap(detail::footprint(x), written));
    const bool by_winograd = filter.winograd.takes("conv_forward", x, !filter.groups.empty(), exec, check);
    for (dim_t group = 0; group < g.groups; ++group) {
        const dim_t count = g.group_in_channels(), first = group * g.group_out_channels();
        const detail::image_view<typename P::lhs::storage> image{x.data(),      g.batch,       g.height, g.width,
                                                                 g.in_channels, group * count, count};
        if constexpr (detail::has_winograd_forward<P, Arch>)
            if (by_winograd) {
                const Out part = detail::columns_from(out, first, g.group_out_channels());
                filter.winograd.run(group, image, detail::forward_grid(g), x_scale, part, stages, first, exec, check);
                continue;
            }
        const auto& packed = filter.groups[static_cast<std::size_t>(group)];
        const detail::tap_source source(image, detail::forward_y(g), detail::forward_x(g),
                                        detail::tap_segment<detail::kernel_traits<P, Arch>>(g, packed.folded()));
        const Out part = detail::columns_from(out, first, g.group_out_channels());
        const detail::output_target<Out, epilogue<Stages...>> to{part, stages, first};
        detail::multiply<P, Arch>(source, x_scale, {}, packed, to, exec, check);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI
