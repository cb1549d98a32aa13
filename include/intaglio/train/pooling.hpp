// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pooling on stored tensors. All kinds are lists of windows along the two axes (nn/pool_window.hpp); an average divides
// by the pixels that its kind counts. The gradient is gathered: for each pixel, the windows that cover it.
//
// Maxima are exact, so they keep the exponent of the input. Which pixel was the largest (the first of equals, rows
// before columns; a NaN before all, and the last of them, as in PyTorch) is kept as its number in the window, a byte.

#include <limits>

#include "intaglio/nn/pool_window.hpp"
#include "intaglio/simd/arch/widen.hpp"
#include "intaglio/simd/vector.hpp"
#include "intaglio/train/pixels.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// The windows along one axis, and for each pixel those that cover it.
struct pool_axis {
    std::vector<nn::pool_window> windows;
    std::vector<dim_t> first, last; ///< windows first[i] .. last[i] - 1 cover pixel i

    pool_axis() = default;
    pool_axis(std::vector<nn::pool_window> w, dim_t size)
        : windows(std::move(w)), first(static_cast<std::size_t>(size), static_cast<dim_t>(windows.size())),
          last(static_cast<std::size_t>(size), 0) {
        for (dim_t o = 0; o < static_cast<dim_t>(windows.size()); ++o)
            for (dim_t i = window(o).begin; i < window(o).end; ++i) {
                const auto at = static_cast<std::size_t>(i);
                first[at] = std::min(first[at], o);
                last[at] = std::max(last[at], o + 1);
            }
    }
    const nn::pool_window& window(dim_t o) const { return windows[static_cast<std::size_t>(o)]; }
    dim_t longest() const {
        dim_t most = 0;
        for (const nn::pool_window& w : windows) most = std::max(most, w.end - w.begin);
        return most;
    }
    static pool_axis of(dim_t size, dim_t kernel, dim_t stride, dim_t padding, bool ceil_mode) {
        std::vector<nn::pool_window> list;
        for (dim_t i = 0; i < nn::pool_size(size, kernel, stride, padding, ceil_mode); ++i)
            list.push_back(nn::window_at(i, size, kernel, stride, padding));
        return {std::move(list), size};
    }
    static pool_axis adaptive(dim_t size, dim_t count) {
        std::vector<nn::pool_window> list;
        for (dim_t i = 0; i < count; ++i) list.push_back(nn::adaptive_window_at(i, size, count));
        return {std::move(list), size};
    }
};

struct pool_windows {
    map_shape in, out;
    pool_axis y, x;
    bool counts_padding = false; ///< whether an average divides by padded pixels, too

    double share(dim_t oy, dim_t ox) const {
        const nn::pool_window &r = y.window(oy), &c = x.window(ox);
        const dim_t pixels = counts_padding ? r.padded * c.padded : (r.end - r.begin) * (c.end - c.begin);
        return 1.0 / static_cast<double>(pixels);
    }
};

template <class T>
void average(const stored<T>& in, const pool_windows& w, stored<T>& out, dfp_spec spec, std::string_view name,
             executor_ref exec) {
    gather_pass<T>(w.out, {.d = &out}, spec, name, exec,
                   [&](dim_t b, dim_t oy, dim_t ox, dim_t c0, dim_t c1, float* __restrict v) {
                       // integers are exact, floats are summed in double
                       using sum = sum_of<T>;
                       sum sums[longest_piece];
                       std::fill_n(sums, c1 - c0, sum{0});
                       for (dim_t y = w.y.window(oy).begin; y < w.y.window(oy).end; ++y)
                           for (dim_t x = w.x.window(ox).begin; x < w.x.window(ox).end; ++x) {
                               const T* __restrict const q = in.data + w.in.pixel(b, y, x) + c0;
                               for (dim_t c = 0; c < c1 - c0; ++c) sums[c] += static_cast<sum>(q[c]);
                           }
                       const double share = w.share(oy, ox) * static_cast<double>(in.unit());
                       for (dim_t c = 0; c < c1 - c0; ++c)
                           v[c] = static_cast<float>(static_cast<double>(sums[c]) * share);
                   });
}

template <class T>
void average_gradient(const stored<T>& d_out, const pool_windows& w, const gradient_target<T>& to, dfp_spec spec,
                      std::string_view name, executor_ref exec) {
    gather_pass<T>(w.in, to, spec, name, exec, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
        std::fill_n(v, c1 - c0, 0.0F);
        const auto row = static_cast<std::size_t>(y), column = static_cast<std::size_t>(x);
        for (dim_t oy = w.y.first[row]; oy < w.y.last[row]; ++oy)
            for (dim_t ox = w.x.first[column]; ox < w.x.last[column]; ++ox) {
                const auto share = static_cast<float>(w.share(oy, ox) * static_cast<double>(d_out.unit()));
                const T* __restrict const q = d_out.data + w.out.pixel(b, oy, ox) + c0;
                for (dim_t c = 0; c < c1 - c0; ++c) v[c] += static_cast<float>(q[c]) * share;
            }
    });
}

/// Numbers of pixels beside elements: as wide as these, so that one comparison chooses both.
template <class T>
using number_beside = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int16_t>;

/// `largest`: for each output the number of its pixel in the window, row * w.x.longest() + column.
template <class T>
void maximum(const stored<T>& in, const pool_windows& w, stored<T>& out, std::uint8_t* largest, executor_ref exec) {
    out.exponent = in.exponent;
    const dim_t channels = w.out.channels, wide = w.x.longest();
    exec.for_each(w.out.batch * w.out.height, [&](dim_t row, int) {
        const dim_t b = row / w.out.height, oy = row % w.out.height;
        using number = number_beside<T>;
        for (dim_t ox = 0; ox < w.out.width; ++ox) {
            const dim_t at = w.out.pixel(b, oy, ox);
            const nn::pool_window &rows = w.y.window(oy), &columns = w.x.window(ox);
            simd::for_each_vector<simd::widest_vector / sizeof(T)>(channels, [&](auto lanes, dim_t c) {
                using elements = simd::vector<T, decltype(lanes)::value>;
                using numbers = simd::vector<number, decltype(lanes)::value>;
                auto best = simd::load_vector<elements>(in.data + w.in.pixel(b, rows.begin, columns.begin) + c);
                numbers where{};
                for (dim_t y = rows.begin; y < rows.end; ++y)
                    for (dim_t x = columns.begin; x < columns.end; ++x) {
                        const auto q = simd::load_vector<elements>(in.data + w.in.pixel(b, y, x) + c);
                        const auto larger = (q > best) | (q != q);
                        best = larger ? q : best;
                        where = larger ? numbers{} + static_cast<number>((y - rows.begin) * wide + x - columns.begin)
                                       : where;
                    }
                simd::store_vector(out.data + at + c, best);
                simd::store_vector(largest + at + c, simd::narrow<std::uint8_t>(where));
            });
        }
    });
    report_stored(out);
}

template <class T>
void maximum_gradient(const stored<T>& d_out, const std::uint8_t* largest, const pool_windows& w,
                      const gradient_target<T>& to, dfp_spec spec, std::string_view name, executor_ref exec) {
    const dim_t wide = w.x.longest();
    // integers are exact: at most 256 windows
    using sum = std::conditional_t<std::is_same_v<T, float>, float, std::int32_t>;
    gather_pass<T>(w.in, to, spec, name, exec, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
        const auto row = static_cast<std::size_t>(y), column = static_cast<std::size_t>(x);
        const float unit = d_out.unit();
        simd::for_each_vector(c1 - c0, [&](auto lanes, dim_t c) {
            constexpr int count = decltype(lanes)::value;
            simd::vector<sum, count> sums{};
            for (dim_t oy = w.y.first[row]; oy < w.y.last[row]; ++oy)
                for (dim_t ox = w.x.first[column]; ox < w.x.last[column]; ++ox) {
                    const dim_t at = w.out.pixel(b, oy, ox) + c0 + c;
                    const auto n =
                        static_cast<std::int32_t>((y - w.y.window(oy).begin) * wide + x - w.x.window(ox).begin);
                    const auto was_largest = simd::convert_vector<std::int32_t, count>(largest + at) == n;
                    sums +=
                        was_largest ? simd::convert_vector<sum, count>(d_out.data + at) : simd::vector<sum, count>{};
                }
            simd::store_vector(v + c, __builtin_convertvector(sums, simd::vector<float, count>) * unit);
        });
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::train
