// SPDX-License-Identifier: Apache-2.0
#pragma once

// The passes over activations that are no products: sums and rectifiers that no product takes along, pools, channels
// that are copied, the shortcut without parameters, response norms. reference.hpp says what each computes; each output
// is written by one iteration, so results don't depend on threads.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/kept.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/activation.hpp"
#include "intaglio/nn/operations.hpp"
#include "intaglio/nn/reference/pooling.hpp"
#include "intaglio/nn/reference/response_norm.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

namespace detail {

inline constexpr dim_t piece = 64; ///< channels that wait on the stack

/// Calls f(pixel) for each pixel of a map, some lines at a time in parallel.
template <class F>
void for_each_pixel(const extents& shape, executor_ref exec, const F& f) {
    const dim_t lines = shape[0] * shape[1], width = shape[2];
    const dim_t values = std::max<dim_t>(1, width * shape[3]);
    const dim_t lines_each = std::max<dim_t>(1, 8192 / values); // worth a claim
    exec.for_each((lines + lines_each - 1) / lines_each, [&](dim_t i, int) {
        for (dim_t p = i * lines_each * width; p < std::min((i + 1) * lines_each, lines) * width; ++p) f(p);
    });
}
/// Calls f(first, count) for the channels, piece by piece.
template <class F>
void for_each_piece(dim_t channels, const F& f) {
    for (dim_t c = 0; c < channels; c += piece) f(c, std::min(piece, channels - c));
}

/// Calls f(image, window of rows, window of columns) for pixel p of a pool's output.
template <class Pool, class F>
void at_window(const Pool& pool, const extents& in, const extents& out, dim_t p, const F& f) {
    const dim_t b = p / (out[1] * out[2]), y = p / out[2] % out[1], x = p % out[2];
    if constexpr (requires { pool.kernel; })
        f(b, nn::window_at(y, in[1], pool.kernel.h, pool.stride.h, pool.padding.h),
          nn::window_at(x, in[2], pool.kernel.w, pool.stride.w, pool.padding.w));
    else
        f(b, nn::adaptive_window_at(y, in[1], pool.size.h), nn::adaptive_window_at(x, in[2], pool.size.w));
}

/// to[c] = the largest of a window's codes of channel c, the least code where it is empty; as many channels at a time
/// as a register holds.
template <class Code>
void largest_of_window(const activation& in, dim_t b, const nn::pool_window& y, const nn::pool_window& x,
                       dim_t channels, Code* to) {
    simd::for_each_vector<simd::widest_vector>(channels, [&](auto lanes, dim_t c) {
        using codes = simd::vector<Code, decltype(lanes)::value>;
        codes most = codes{} + std::numeric_limits<Code>::min();
        for (dim_t h = y.begin; h < y.end; ++h)
            for (dim_t w = x.begin; w < x.end; ++w) {
                const auto v = simd::load_vector<codes>(in.pixel<Code>((b * in.shape[1] + h) * in.shape[2] + w) + c);
                most = v > most ? v : most;
            }
        simd::store_vector(to + c, most);
    });
}

} // namespace detail

/// From real numbers, dense, to codes. `values` are as many as `out` has.
inline void quantize(std::span<const float> values, const activation& out, executor_ref exec) {
    const dim_t count = std::ssize(values);
    constexpr dim_t each = 8192;      // worth a claim
    if (out.stride == out.channels()) // dense: all as one pixel
        exec.for_each((count + each - 1) / each, [&](dim_t i, int) {
            detail::store_reals(out, 0, i * each, std::min(each, count - i * each), values.data() + i * each);
        });
    else
        detail::for_each_pixel(out.shape, exec, [&](dim_t p) {
            detail::store_reals(out, p, 0, out.channels(), values.data() + p * out.channels());
        });
}

/// out = a (+ b) (, rectified). b.data is null where there is none.
inline void combine(const activation& a, const activation& b, bool rectify, const activation& out, executor_ref exec) {
    detail::for_each_pixel(out.shape, exec, [&](dim_t p) {
        detail::for_each_piece(out.channels(), [&](dim_t first, dim_t count) {
            float v[detail::piece], other[detail::piece];
            detail::load_reals(a, p, first, count, v);
            if (b.data) {
                detail::load_reals(b, p, first, count, other);
                for (dim_t c = 0; c < count; ++c) v[c] += other[c];
            }
            if (rectify) run_stage(relu{}, v, p, first, count);
            detail::store_reals(out, p, first, count, v);
        });
    });
}

/// The channels of `in` as those of `out`, which is a part of a concatenation.
inline void copy_channels(const activation& in, const activation& out, executor_ref exec) {
    if (!(in.format == out.format)) return combine(in, {}, false, out, exec);
    detail::for_each_pixel(out.shape, exec, [&](dim_t p) {
        std::memcpy(out.pixel<std::byte>(p), in.pixel<std::byte>(p), static_cast<std::size_t>(in.channels()));
    });
}

inline void max_pool(const nn::op::max_pool& pool, const activation& in, const activation& out, executor_ref exec) {
    detail::with_code_type(in.format, [&](auto type) {
        using code = decltype(type);
        detail::for_each_pixel(out.shape, exec, [&](dim_t p) {
            detail::at_window(pool, in.shape, out.shape, p,
                              [&](dim_t b, const nn::pool_window& y, const nn::pool_window& x) {
                                  detail::largest_of_window(in, b, y, x, out.channels(), out.pixel<code>(p));
                              });
        });
    });
}

/// For op::average_pool and op::adaptive_average_pool.
template <class Pool>
void average_pool(const Pool& pool, const activation& in, const activation& out, executor_ref exec) {
    detail::with_code_type(in.format, [&](auto type) {
        using code = decltype(type);
        detail::for_each_pixel(out.shape, exec, [&](dim_t p) {
            detail::at_window(
                pool, in.shape, out.shape, p, [&](dim_t b, const nn::pool_window& y, const nn::pool_window& x) {
                    const double factor =
                        output_factor<std::int32_t>(static_cast<double>(in.format.step) /
                                                    static_cast<double>(nn::reference::detail::divisor(pool, y, x)));
                    detail::for_each_piece(out.channels(), [&](dim_t first, dim_t count) {
                        std::int32_t sums[detail::piece] = {};
                        for (dim_t h = y.begin; h < y.end; ++h)
                            for (dim_t w = x.begin; w < x.end; ++w) {
                                const code* const from =
                                    in.pixel<code>((b * in.shape[1] + h) * in.shape[2] + w) + first;
                                for (dim_t c = 0; c < count; ++c) sums[c] += from[c];
                            }
                        float v[detail::piece];
                        for (dim_t c = 0; c < count; ++c) v[c] = output_value(sums[c], factor);
                        detail::store_reals(out, p, first, count, v);
                    });
                });
        });
    });
}

inline void padded_shortcut(const nn::op::padded_shortcut& s, const activation& in, const activation& out,
                            executor_ref exec) {
    detail::for_each_pixel(out.shape, exec, [&](dim_t p) {
        const dim_t b = p / (out.shape[1] * out.shape[2]), y = p / out.shape[2] % out.shape[1], x = p % out.shape[2];
        auto* const to = out.pixel<std::byte>(p);
        std::memset(to, 0, static_cast<std::size_t>(out.channels()));
        std::memcpy(to + s.zeros_before,
                    in.pixel<std::byte>((b * in.shape[1] + y * s.stride.h) * in.shape[2] + x * s.stride.w),
                    static_cast<std::size_t>(in.channels()));
    });
}

inline void response_norm(const nn::op::local_response_norm& n, const activation& in, const activation& out,
                          executor_ref exec) {
    const dim_t channels = out.channels();
    struct of_a_pixel {
        std::vector<float> values, normed;
    };
    exec.for_each(out.shape[0] * out.shape[1], [&](dim_t line, int) {
        const intaglio::detail::kept<of_a_pixel> memory;
        auto& [values, normed] = *memory;
        values.resize(static_cast<std::size_t>(channels));
        normed.resize(values.size());
        for (dim_t p = line * out.shape[2]; p < (line + 1) * out.shape[2]; ++p) {
            detail::load_reals(in, p, 0, channels, values.data());
            nn::reference::local_response_norm(n, values.data(), 1, channels, normed.data());
            detail::store_reals(out, p, 0, channels, normed.data());
        }
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
