// SPDX-License-Identifier: Apache-2.0
#pragma once

// An activation in memory while a coded network runs: batch x height x width x channels codes of one byte each,
// channels last, the pixels `stride` bytes apart (more than their channels where a concatenation is written in place),
// or the real numbers of an output. passes.hpp computes on them, product_kernels.hpp too.

#include <cstddef>
#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/infer/coded_network.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

struct activation {
    std::byte* data = nullptr;
    extents shape;    ///< four
    dim_t stride = 0; ///< from one pixel to the next, in elements
    activation_format format;

    dim_t pixels() const { return shape[0] * shape[1] * shape[2]; }
    dim_t channels() const { return shape[3]; }
    /// The codes of a pixel, in the type that the format says.
    template <class Code>
    Code* pixel(dim_t p) const {
        return reinterpret_cast<Code*>(data) + p * stride;
    }
    float* reals(dim_t p) const { return reinterpret_cast<float*>(data) + p * stride; }
};

namespace detail {

/// Calls f with a value of the type of a format's codes.
template <class F>
INTAGLIO_INLINE decltype(auto) with_code_type(const activation_format& format, F&& f) {
    return format.is_signed ? f(std::int8_t{}) : f(std::uint8_t{});
}

/// The real values of `count` channels of a pixel, from `first` on.
INTAGLIO_INLINE void load_reals(const activation& x, dim_t pixel, dim_t first, dim_t count, float* v) {
    with_code_type(x.format, [&](auto type) {
        const auto* const from = x.pixel<decltype(type)>(pixel) + first;
        for (dim_t c = 0; c < count; ++c) v[c] = static_cast<float>(from[c]) * x.format.step;
    });
}

/// Stores them, as codes or as they are.
INTAGLIO_INLINE void store_reals(const activation& x, dim_t pixel, dim_t first, dim_t count, const float* v) {
    if (!x.format.is_stored()) {
        float* const to = x.reals(pixel) + first;
        for (dim_t c = 0; c < count; ++c) to[c] = v[c];
        return;
    }
    const float inverse = 1 / x.format.step;
    with_code_type(x.format, [&](auto type) {
        auto* const to = x.pixel<decltype(type)>(pixel) + first;
        intaglio::detail::requantize_row(v, count, inverse, to);
    });
}

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI::infer
