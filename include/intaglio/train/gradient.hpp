// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a gradient is written. A tensor that several operations read gets a share from each; the first writes it, the
// others add theirs to what is there; and where the tensor is the output of a rectifier, the last one masks the sum:
//
//   d = mask > 0 ? own + addend : 0
//
// So gradients are summed and masked in the pass that writes them, and are never read for that alone. (PyTorch's
// convention: a gradient passes where the output is NaN.)
//
// Gradients span far more than the 13 bits of their storage: behind a maximum or a rectifier, a batch norm's is large
// where something passed, and small everywhere else (normalise.hpp: x avg(d x) + avg d), and it is the sum of the small
// ones that keeps weights from growing. Rounded to nearest four in ten became zero, all to one side (28 x 28 maps of a
// small network on Fashion-MNIST: weight gradients 27 % off, and 0.3 points of accuracy). So they are stored with
// dither (numeric/rounding.hpp): each errs by at most a unit, their sums hardly at all.

#include <optional>
#include <string_view>

#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/simd/arch/widen.hpp"
#include "intaglio/train/storage.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

template <class T>
struct gradient_target {
    stored<T>* d = nullptr;
    const stored<T>* addend = nullptr; ///< what other readers gave so far; null: nothing
    const stored<T>* mask = nullptr;   ///< the rectified output; null: none, or not yet
    std::optional<dithered> dither{};  ///< of passes; what products write is rounded to nearest
};

/// (v + addend) masked, for the elements from `at` on.
template <class T, class Floats>
INTAGLIO_INLINE Floats finished(const gradient_target<T>& to, Floats v, dim_t at) {
    if (to.addend) v += simd::load_floats<Floats>(to.addend->data + at) * to.addend->unit();
    if (to.mask) v = simd::load_floats<Floats>(to.mask->data + at) <= 0.0F ? Floats{} : v;
    return v;
}

/// store_pass for a gradient: what `fill` gives is summed and masked.
template <class T, class Fill>
void store_gradient(const gradient_target<T>& to, const channel_walk& walk, dfp_spec spec, std::string_view name,
                    executor_ref exec, const Fill& fill) {
    store_pass(
        *to.d, walk, spec, name, exec,
        [&](dim_t first, dim_t count, dim_t place, float* v) {
            fill(first, count, place, v);
            if (to.addend || to.mask)
                simd::transform_floats(
                    v,
                    count, [&](auto x, dim_t e) __attribute__((always_inline)) { return finished(to, x, first + e); });
        },
        to.dither);
}

/// `finished` as a stage of a product, and the others that a unit of training has: v = v + bias, rectified; the
/// largest magnitude of all is kept. One type for all of them, so that each product is compiled once.
template <class T>
struct unit_stage {
    const float* per_column = nullptr; ///< bias
    bool rectify = false;
    gradient_target<T> gradient{};
    dim_t row_stride = 0; ///< of the gradient's tensors, which are dense
    max_magnitude largest{};
    loss_counter* losses = nullptr; ///< where somebody watches

    template <class Floats>
    INTAGLIO_INLINE Floats apply(Floats v, dim_t row, dim_t col) const {
        if (per_column) v += simd::load_vector<Floats>(per_column + col);
        if (rectify) v = relu{}.apply(v, row, col);
        return finished(gradient, v, row * row_stride + col);
    }
    INTAGLIO_INLINE void prefetch(dim_t row, dim_t col) const {
        const dim_t at = row * row_stride + col;
        if (gradient.addend) __builtin_prefetch(gradient.addend->data + at);
        if (gradient.mask) __builtin_prefetch(gradient.mask->data + at);
    }
    INTAGLIO_INLINE void seen(const float* v, dim_t count) const {
        if (largest.result) largest(v, 0, 0, count);
        if (losses) [[unlikely]]
            losses->count(v, count);
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::train
