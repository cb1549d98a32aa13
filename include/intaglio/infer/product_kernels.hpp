// SPDX-License-Identifier: Apache-2.0
#pragma once

// The products of a coded network: convolutions and linear layers on 8-bit activations, with all that follows until the
// result is stored. One type of epilogue and one entry for each kind of input and output, so that a program compiles
// the kernels once: every unit but one says
//
//   extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;
//
// behind its includes, and that one the same without `extern`. (What might be inlined the others would compile, too.)

#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "intaglio/conv/forward.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/infer/activation.hpp"
#include "intaglio/simd/arch/widen.hpp"
#include "intaglio/simd/native.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// v + bias, + the codes of a shortcut unless Code is void, then the larger of that and `floor`.
template <class Code>
struct resolved_end {
    const float* bias;
    const Code* shortcut;
    dim_t stride;
    float step, floor;

    template <class Floats>
    INTAGLIO_INLINE Floats apply(Floats v, dim_t row, dim_t col) const {
        v += simd::load_vector<Floats>(bias + col);
        if constexpr (!std::is_void_v<Code>) v += simd::load_floats<Floats>(shortcut + row * stride + col) * step;
        return simd::maximum(Floats{} + floor, v);
    }
};

/// v + bias, + the shortcut if there is one, then max(v, 0) if asked for.
struct product_end {
    const float* bias = nullptr;
    activation shortcut{}; ///< codes of as many pixels and channels as the product; data null: none
    bool rectify = false;

    template <class Use>
    INTAGLIO_INLINE void resolved(const Use& use) const {
        const float floor = rectify ? 0 : -std::numeric_limits<float>::infinity();
        if (shortcut.data)
            detail::with_code_type(shortcut.format, [&]<class Code>(Code) {
                use(resolved_end<Code>{bias, shortcut.pixel<const Code>(0), shortcut.stride, shortcut.format.step,
                                       floor});
            });
        else
            use(resolved_end<void>{bias, nullptr, 0, 0, floor});
    }
    INTAGLIO_INLINE void prefetch(dim_t row, dim_t col) const {
        if (shortcut.data) __builtin_prefetch(shortcut.pixel<const std::byte>(row) + col);
    }
    template <class Floats>
    INTAGLIO_INLINE Floats apply(Floats v, dim_t row, dim_t col) const {
        resolved([&](const auto& end) __attribute__((always_inline)) { v = end.apply(v, row, col); });
        return v;
    }
};

template <class Arch = simd::native_arch>
struct product_kernels {
    /// Whether bytes are stored and multiplied as int16, but for those that are compact.
    static constexpr bool widens_bytes = intaglio::detail::widens_bytes<int8_inference, Arch>;
    /// Whether small codes are multiplied as bytes nevertheless, pairs of products summed in int16.
    static constexpr bool has_pairs = intaglio::detail::kernel_traits<int7_inference, Arch>::cut_by_sums;
    template <class... P>
    using packed_by = std::variant<packed_filter<P, Arch>...>;
    /// By the input's sign, and small codes by themselves where that is faster.
    using packed = std::conditional_t<has_pairs, packed_by<int8_inference, int8_signed, int7_inference>,
                                      packed_by<int8_inference, int8_signed>>;

    /// Whether the product is computed by Winograd's (conv/winograd.hpp) where its weights are in rhs_storage::fast.
    static bool takes_winograd(const conv_geometry& g, bool signed_input) {
        using intaglio::detail::prefers_winograd_bytes;
        return signed_input ? prefers_winograd_bytes<int8_signed, Arch>(g)
                            : prefers_winograd_bytes<int8_inference, Arch>(g);
    }
    /// Whether codes are multiplied so: all fit, and they are so small on average that chains are long and it is faster
    /// than widened, or than Winograd's products where these are the other way (docs/decisions/0027-small-codes.md).
    static bool takes_pairs(const channel_codes& weights, bool signed_input, bool or_winograd) {
        if (!has_pairs || signed_input) return false;
        constexpr int largest = int7_inference::rhs::format::max_magnitude;
        const dim_t mean = or_winograd ? 2 : 12;
        dim_t sum = 0;
        for (const std::int8_t code : weights.codes) {
            if (code < -largest || code > largest) return false;
            sum += code < 0 ? -code : code;
        }
        return sum <= mean * weights.codes.size();
    }
    /// `pairs`: as takes_pairs allows.
    [[gnu::noinline]] static packed pack(const conv_geometry& g, const channel_codes& weights, bool signed_input,
                                         bool pairs, rhs_storage stored, algorithm how, executor_ref exec) {
        const auto of = [&]<class P>(P) -> packed {
            const rhs_view<P> filter{.values = filter_matrix(g, weights.codes.span()), .scales = weights.steps};
            return pack_filter<P, Arch>(g, filter, stored, exec, {}, {how});
        };
        if constexpr (has_pairs)
            if (pairs) return of(int7_inference{});
        return signed_input ? of(int8_signed{}) : of(int8_inference{});
    }
    static dim_t bytes(const packed& weights) {
        return std::visit([](const auto& w) { return w.bytes(); }, weights);
    }
    static bool is_winograd(const packed& weights) {
        return std::visit([](const auto& w) { return !w.winograd.empty(); }, weights);
    }
    /// What `weights` have beyond `divisor` times those of `coarse` is stored alone, in every group where that is less;
    /// returns whether it was in any. Both are compact, and of one kind.
    [[gnu::noinline]] static bool refine(packed& weights, const packed& coarse, int divisor) {
        return std::visit(
            [&]<class Filter>(Filter& finer) {
                const auto& from = std::get<Filter>(coarse);
                bool any = false;
                for (std::size_t i = 0; i < finer.groups.size(); ++i)
                    any = finer.groups[i].refine(from.groups[i], divisor) || any;
                return any;
            },
            weights);
    }

    [[gnu::noinline]] static void run(const conv_geometry& g, const activation& in, const packed& weights,
                                      const product_end& end, const activation& out, executor_ref exec) {
        const auto to = [&](auto view) {
            const auto step = static_cast<double>(in.format.step);
            const auto size = static_cast<std::size_t>(g.in_pixels() * g.in_channels);
            std::visit(
                [&]<class P>(const packed_filter<P, Arch>& w) {
                    using code = typename P::lhs::storage;
                    conv_forward<P, Arch>(g, {in.pixel<const code>(0), size}, step, w, view, epilogue{end}, exec);
                },
                weights);
        };
        if (!out.format.is_stored())
            return to(matrix_view<float>(out.reals(0), out.pixels(), out.channels(), out.stride));
        detail::with_code_type(out.format, [&](auto type) {
            using code = decltype(type);
            to(quantized_view<code>{{out.pixel<code>(0), out.pixels(), out.channels(), out.stride},
                                    1 / out.format.step});
        });
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::infer
