// SPDX-License-Identifier: Apache-2.0
#pragma once

// Passes that move pixels: each element of what is written is gathered from pixels of what is read. A channels-last map
// is walked by runs of channels of one pixel, since a piece (storage.hpp) may begin and end inside one.

#include <array>
#include <span>
#include <vector>

#include "intaglio/core/extents.hpp"
#include "intaglio/train/gradient.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// A channels-last map: batch x height x width x channels.
struct map_shape {
    dim_t batch = 0, height = 0, width = 0, channels = 0;

    map_shape() = default;
    explicit map_shape(const extents& e) : batch(e[0]), height(e[1]), width(e[2]), channels(e[3]) {}
    dim_t size() const { return batch * height * width * channels; }
    dim_t pixel(dim_t b, dim_t y, dim_t x) const { return ((b * height + y) * width + x) * channels; }
};

/// f(b, y, x, c0, c1, place) for the runs of channels c0 .. c1 - 1 that elements first .. first + count - 1 are; the
/// run begins at element first + place.
template <class F>
void for_each_run(const map_shape& map, dim_t first, dim_t count, const F& f) {
    dim_t pixel = first / map.channels, c0 = first % map.channels;
    dim_t x = pixel % map.width, y = pixel / map.width % map.height, b = pixel / map.width / map.height;
    for (dim_t place = 0; place < count;) {
        const dim_t c1 = std::min(map.channels, c0 + count - place);
        f(b, y, x, c0, c1, place);
        place += c1 - c0;
        c0 = 0;
        if (++x == map.width) {
            x = 0;
            if (++y == map.height) y = 0, ++b;
        }
    }
}

/// Fills a map by gather(b, y, x, c0, c1, v), which computes channels c0 .. c1 - 1 of a pixel to v[0] ..; then what a
/// gradient_target asks for.
template <class T, class Gather>
void gather_pass(const map_shape& map, const gradient_target<T>& to, dfp_spec spec, std::string_view name,
                 executor_ref exec, const Gather& gather) {
    store_gradient(to, channel_walk(std::max<dim_t>(1, map.channels)), spec, name, exec,
                   [&](dim_t first, dim_t count, dim_t, float* v) {
                       for_each_run(map, first, count, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, dim_t place) {
                           gather(b, y, x, c0, c1, v + place);
                       });
                   });
}

/// The channels of all inputs, one input after the other.
template <class T>
void concatenate(std::span<const stored<T>* const> in, std::span<const map_shape> shapes, const map_shape& map,
                 stored<T>& out, dfp_spec spec, std::string_view name, executor_ref exec) {
    gather_pass<T>(map, {.d = &out}, spec, name, exec,
                   [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
                       dim_t first = 0; // channel of this input
                       for (std::size_t i = 0; i < in.size(); first += shapes[i++].channels) {
                           const dim_t from = std::max(c0, first), to = std::min(c1, first + shapes[i].channels);
                           const T* __restrict const q = in[i]->data + shapes[i].pixel(b, y, x) - first;
                           const float unit = in[i]->unit();
                           for (dim_t c = from; c < to; ++c) v[c - c0] = static_cast<float>(q[c]) * unit;
                       }
                   });
}
/// The gradient by the input whose channels begin at `first`.
template <class T>
void concatenate_gradient(const stored<T>& d_out, const map_shape& out, dim_t first, const map_shape& in,
                          const gradient_target<T>& to, dfp_spec spec, std::string_view name, executor_ref exec) {
    gather_pass<T>(in, to, spec, name, exec, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
        const T* __restrict const q = d_out.data + out.pixel(b, y, x) + first;
        for (dim_t c = c0; c < c1; ++c) v[c - c0] = static_cast<float>(q[c]) * d_out.unit();
    });
}

/// Every stride-th row and column, behind `before` channels of zeros.
template <class T>
void subsample(const stored<T>& in, const map_shape& in_map, dim_t stride_h, dim_t stride_w, dim_t before,
               const map_shape& map, stored<T>& out, dfp_spec spec, std::string_view name, executor_ref exec) {
    gather_pass<T>(
        map, {.d = &out}, spec, name, exec, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
            const T* __restrict const q = in.data + in_map.pixel(b, y * stride_h, x * stride_w) - before;
            for (dim_t c = c0; c < c1; ++c)
                v[c - c0] = c >= before && c < before + in_map.channels ? static_cast<float>(q[c]) * in.unit() : 0.0F;
        });
}
template <class T>
void subsample_gradient(const stored<T>& d_out, const map_shape& out, dim_t stride_h, dim_t stride_w, dim_t before,
                        const map_shape& in, const gradient_target<T>& to, dfp_spec spec, std::string_view name,
                        executor_ref exec) {
    gather_pass<T>(in, to, spec, name, exec, [&](dim_t b, dim_t y, dim_t x, dim_t c0, dim_t c1, float* __restrict v) {
        const bool met = y % stride_h == 0 && x % stride_w == 0;
        const T* __restrict const q = d_out.data + (met ? out.pixel(b, y / stride_h, x / stride_w) + before : 0);
        for (dim_t c = c0; c < c1; ++c) v[c - c0] = met ? static_cast<float>(q[c]) * d_out.unit() : 0.0F;
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::train
