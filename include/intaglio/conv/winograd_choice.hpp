// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which convolutions are computed by Winograd's products, and filters packed for those that are. Results are the same
// either way (winograd.hpp), so the choice may follow from the data.

#include <span>
#include <type_traits>
#include <vector>

#include "intaglio/conv/pass.hpp"
#include "intaglio/conv/winograd_product.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Outputs and where their inputs lie.
inline winograd_grid forward_grid(const conv_geometry& g) {
    return {g.batch, g.out_height(), g.out_width(), -g.pad_h, -g.pad_w};
}
inline winograd_grid input_gradient_grid(const conv_geometry& g) {
    return {g.batch, g.height, g.width, g.pad_h - 2, g.pad_w - 2};
}

/// The rule of algorithm::automatic, as measured (docs/performance.md): where channels are few the transforms cost more
/// than the products that they save; and where products are quick, as with VNNI, and the transformed filters lie far
/// outside L2, it takes many tiles to make up for their way.
template <class Arch>
bool prefers_winograd(const conv_geometry& g) {
    constexpr bool quick =
        std::is_base_of_v<simd::arch::avx512_vnni, Arch> || std::is_base_of_v<simd::arch::avx_vnni, Arch>;
    const dim_t channels = g.group_in_channels(), filters = g.group_out_channels();
    return is_winograd_shape(g) && std::min(channels, filters) >= 32 &&
           (!quick || 2 * winograd_products * channels * filters <= 3 * cache_sizes::of_this_machine().l2 ||
            forward_grid(g).tiles() >= 48);
}

/// The same of bytes, which are direct where they need not be widened. Small maps have few tiles for the filters that
/// are read, and an odd one's last tiles lie half outside: 9 x 9 and less, unless there are many images.
template <GemmPolicy P, class Arch>
bool prefers_winograd_bytes(const conv_geometry& g) {
    if (!widens_bytes<P, Arch> || !prefers_winograd<Arch>(g) || g.filter_size() > longest_winograd_bytes<P>())
        return false;
    const dim_t pixels = g.out_pixels(), tiles = forward_grid(g).tiles();
    return tiles >= 64 ? pixels >= 3 * tiles : tiles >= 9 && 20 * pixels >= 17 * 4 * tiles;
}

/// The same of weight gradients: sums of few pixels don't pay for their way to many weights.
inline bool prefers_winograd_gradient(const conv_geometry& g) {
    const dim_t channels = g.group_in_channels(), filters = g.group_out_channels();
    return is_winograd_shape(g) && std::min(channels, filters) >= 32 && g.out_pixels() >= std::max(channels, filters);
}

/// Throws where a caller asks for Winograd's products that are not there for the policy, or not for the geometry.
inline void require_winograd(const char* name, bool possible, const char* reason) {
    require<value_error>(possible, name, ": algorithm::winograd is asked for, but ", reason,
                         "; use algorithm::automatic");
}
inline void refuse_winograd(const char* name, const conv_form& form) {
    require_winograd(name, form.how != algorithm::winograd || form.or_direct,
                     "the policy does not multiply int16 on this machine");
}
/// Whether a pass of this geometry may be computed so, as far as is known before any number is seen. `preferred`: what
/// the rule says.
inline bool may_take_winograd(const char* name, const conv_geometry& g, const conv_form& form, bool preferred) {
    if (form.how == algorithm::direct) return false;
    if (form.how == algorithm::automatic) return form.largest > 0 && form.largest <= winograd_largest && preferred;
    const bool shape = is_winograd_shape(g), small = form.largest <= winograd_largest;
    require_winograd(name, shape || form.or_direct, "the kernel is not 3 x 3 neighbours with a stride of 1");
    require_winograd(name, small || form.or_direct, "operands may be larger than 8,191");
    return shape && small;
}

/// Whether a weight gradient is computed by Winograd's products: what is not promised is looked at.
inline bool takes_winograd_gradient(const conv_geometry& g, const conv_form& form, std::span<const std::int16_t> x,
                                    std::span<const std::int16_t> d_out, executor_ref exec, const audit* check) {
    constexpr const char* name = "conv_weight_gradient";
    if (!may_take_winograd(name, g, form, prefers_winograd_gradient(g)) || g.macs() == 0) return false;
    if (form.largest > 0 && !check) return true;
    const std::int32_t most = std::max(largest_of(x, exec), largest_of(d_out, exec)),
                       promised = form.largest > 0 ? form.largest : winograd_largest;
    require<value_error>(most <= promised || form.or_direct || form.how == algorithm::automatic, name,
                         ": an operand has an element of magnitude ", most, ", conv_form::largest allows ", promised,
                         "; give the right one, or use or_direct without it");
    return most <= promised;
}

/// Filters for Winograd's products: none where a convolution is computed directly.
template <GemmPolicy P, class Arch>
class winograd_filters {
public:
    bool empty() const { return groups_.empty(); }
    dim_t bytes() const {
        dim_t sum = 0;
        for (const auto& g : groups_) sum += g.bytes();
        return sum;
    }

    /// Packs dense filters where the form asks for it and it can be exact. True where nothing else is needed: operands
    /// are bytes, or the caller promised small ones, or wants nothing else.
    bool pack(const char* name, const conv_geometry& g, bool gradient, const typename P::rhs::storage* w,
              const rhs_view<P>& view, conv_form form, executor_ref exec) {
        constexpr bool bytes = widens_bytes<P, Arch>;
        std::vector<winograd_filter<P, Arch>> places = std::move(groups_);
        groups_.clear();
        if (bytes) form.largest = static_cast<std::int32_t>(P::lhs::format::max_magnitude);
        largest_ = form.largest;
        const bool preferred = bytes ? prefers_winograd_bytes<P, Arch>(g) : prefers_winograd<Arch>(g);
        if (!may_take_winograd(name, g, form, preferred)) return false;
        const bool must = form.how == algorithm::winograd && !form.or_direct;
        if constexpr (bytes) {
            const bool fit = g.filter_size() <= longest_winograd_bytes<P>();
            if (must) require_winograd(name, fit, "the reduction is too long: four times a total may not fit int32");
            if (!fit) return false;
        }
        if (must) require_winograd(name, w != nullptr, "the filters are not dense, or should take little memory");
        if (!w) return false;
        places.resize(static_cast<std::size_t>(g.groups));
        const dim_t filters = g.group_out_channels();
        if constexpr (bytes)
            require_range<typename P::rhs::format>("rhs", rhs_rows<typename P::rhs::storage>{w, 1, g.filter_size()},
                                                   g.filter_size(), g.out_channels);
        for (dim_t group = 0; group < g.groups; ++group) {
            const auto transformed =
                transform_filters(w + group * filters * g.filter_size(), filters, g.group_in_channels(), exec);
            if (must) require_winograd(name, transformed.fit, "filters are too large: 12 bits mostly fit");
            if (!transformed.fit) return false;
            rhs_view<winograd_policy<P, Arch>> scales;
            scales.scale = view.scale;
            if constexpr (P::rhs::sharing::by_row)
                scales.scales =
                    view.scales.subspan(static_cast<std::size_t>(group * filters), static_cast<std::size_t>(filters));
            pack_winograd<P, Arch>(transformed, gradient, scales, exec, places[static_cast<std::size_t>(group)]);
        }
        groups_ = std::move(places);
        return must || form.largest > 0;
    }

    /// Throws unless packed filters fit a product of this size.
    void check(const char* name, const conv_geometry& g, dim_t k, dim_t n) const {
        if (empty()) return;
        require(is_winograd_shape(g) && static_cast<dim_t>(groups_.size()) == g.groups, name,
                ": the packed filters are ", groups_.size(), " groups of 3 x 3 taps, the geometry has ", g.groups,
                " of ", g.kernel_h, " x ", g.kernel_w);
        const auto& product = groups_.front().products[0];
        require(product.k() == k && product.n() == n, name, ": a group of the packed filters is 9 x ", product.k(),
                " x ", product.n(), ", the geometry needs 9 x ", k, " x ", n);
    }

    /// Whether a call with this operand takes these products; `direct`: it need not.
    template <class T>
    bool takes(const char* name, std::span<const T> x, bool direct, executor_ref exec, const audit* check) const {
        if constexpr (widens_bytes<P, Arch>) {
            return !empty();
        } else if constexpr (has_winograd<P, Arch>) {
            if (empty()) return false;
            if (largest_ > 0 && !check) return true;
            const std::int32_t most = largest_of(x, exec);
            if (most <= (largest_ > 0 ? largest_ : winograd_largest)) return true;
            require<value_error>(direct, name, ": the operand has an element of magnitude ", most,
                                 ", the filters were packed for at most ", largest_ > 0 ? largest_ : winograd_largest,
                                 "; pack them with the right conv_form::largest, or with or_direct and without it");
        }
        return false;
    }

    template <class Out, class Stages>
    void run(dim_t group, const image_view<typename P::lhs::storage>& image, const winograd_grid& grid, double scale,
             const Out& out, const Stages& stages, dim_t stage_column, executor_ref exec, audit* check) const {
        const float_environment scope;
        if constexpr (checks_lhs<P>) image.template require_range<typename P::lhs::format>("lhs");
        winograd_run<P, Arch, Out, Stages>(image, grid, scale, groups_[static_cast<std::size_t>(group)], out, stages,
                                           stage_column, check)
            .run(exec);
    }

private:
    std::vector<winograd_filter<P, Arch>> groups_;
    std::int32_t largest_ = 0; ///< what the caller promised of operands; 0: nothing
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
