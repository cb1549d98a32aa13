// SPDX-License-Identifier: Apache-2.0
#pragma once

// Passes whose elements don't know each other, on stored tensors (storage.hpp):
//
//   combine   out = rectify(sum of inputs)                    add, with the rectifier behind it; a rectifier alone
//   drop      out = in / (1 - p) where the element is kept    dropout, both ways: the mask is drawn anew from its place
//   pass_on   d_in = d_out, summed and masked (gradient.hpp)

#include <span>

#include "intaglio/numeric/random.hpp"
#include "intaglio/train/gradient.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// out = rectify(first + second); `second` may be null.
template <class T>
void combine(const stored<T>& first_in, const stored<T>* second_in, bool rectify, stored<T>& out, dfp_spec spec,
             std::string_view name, executor_ref exec) {
    store_pass(out, channel_walk(1), spec, name, exec, [&](dim_t first, dim_t count, dim_t, float* __restrict v) {
        const T* __restrict const a = first_in.data + first;
        const float a_unit = first_in.unit();
        for (dim_t i = 0; i < count; ++i) v[i] = static_cast<float>(a[i]) * a_unit;
        if (second_in) {
            const T* __restrict const b = second_in->data + first;
            const float b_unit = second_in->unit();
            for (dim_t i = 0; i < count; ++i) v[i] += static_cast<float>(b[i]) * b_unit;
        }
        if (rectify)
            for (dim_t i = 0; i < count; ++i) v[i] = v[i] < 0.0F ? 0.0F : v[i];
    });
}

/// Which elements a dropout keeps: those whose 16 random bits are at least `threshold`.
struct dropout_mask {
    std::uint64_t seed, stream; ///< of the training, of this node in this step
    std::uint32_t threshold;    ///< round(probability * 2^16)
    float scale;                ///< 1 / (1 - probability)

    dropout_mask(std::uint64_t seed_, std::uint64_t stream_, double probability)
        : seed(seed_), stream(stream_), threshold(static_cast<std::uint32_t>(probability * 65536 + 0.5)),
          scale(static_cast<float>(1 / (1 - probability))) {}

    /// v = v scale where kept, else 0. `first` is a multiple of 8.
    void apply(float* v, dim_t first, dim_t count) const {
        for (dim_t i = 0; i < count; i += 8) {
            const auto words = random_words(seed, stream, static_cast<std::uint64_t>((first + i) / 8));
            for (dim_t e = 0; e < std::min<dim_t>(8, count - i); ++e) {
                const std::uint32_t bits = words[static_cast<std::size_t>(e / 2)] >> (e % 2 * 16) & 0xFFFFU;
                v[i + e] = bits >= threshold ? v[i + e] * scale : 0.0F;
            }
        }
    }
};

template <class T>
void drop(const stored<T>& in, const dropout_mask& mask, const gradient_target<T>& to, dfp_spec spec,
          std::string_view name, executor_ref exec) {
    store_gradient(to, channel_walk(1), spec, name, exec, [&](dim_t first, dim_t count, dim_t, float* __restrict v) {
        const T* __restrict const a = in.data + first;
        const float unit = in.unit();
        for (dim_t i = 0; i < count; ++i) v[i] = static_cast<float>(a[i]) * unit;
        mask.apply(v, first, count);
    });
}

template <class T>
void pass_on(const stored<T>& d_out, const gradient_target<T>& to, dfp_spec spec, std::string_view name,
             executor_ref exec) {
    store_gradient(to, channel_walk(1), spec, name, exec, [&](dim_t first, dim_t count, dim_t, float* __restrict v) {
        const T* __restrict const a = d_out.data + first;
        const float unit = d_out.unit();
        for (dim_t i = 0; i < count; ++i) v[i] = static_cast<float>(a[i]) * unit;
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::train
