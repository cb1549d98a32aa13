// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layers that make images smaller: the largest value of each window, and the average over the whole image.

#include <algorithm>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/layer.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// The largest value of each window of `window` x `window` pixels, `stride` apart, without padding. Pixels at the right
/// and lower edge that fill no window are left out. Of equal values the first (row by row) takes the gradient.
class max_pool : public layer {
public:
    explicit max_pool(dim_t window, dim_t stride) : window_(window), stride_(stride) {
        require<value_error>(window > 0 && stride > 0, "max_pool: window and stride should be positive, are ", window,
                             " and ", stride);
    }
    explicit max_pool(dim_t window) : max_pool(window, window) {}

    dim_t window() const { return window_; }
    dim_t stride() const { return stride_; }

    extents output_shape(const extents& in) const override {
        require(in.rank() == 4 && in[1] >= window_ && in[2] >= window_, "max_pool: a window of ", window_, " x ",
                window_, " does not fit an input of ", in);
        return {in[0], (in[1] - window_) / stride_ + 1, (in[2] - window_) / stride_ + 1, in[3]};
    }

    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        const auto visit = [&, channels = in.channels()](dim_t out_at, auto&& tap) {
            float* const y = out.data() + out_at;
            std::copy_n(in.data() + tap(0, 0), channels, y);
            for (dim_t r = 0; r < window_; ++r)
                for (dim_t s = 0; s < window_; ++s) {
                    const float* const x = in.data() + tap(r, s);
                    for (dim_t c = 0; c < channels; ++c) y[c] = x[c] > y[c] ? x[c] : y[c];
                }
        };
        for_each_window(in, out, p.exec, [&] { return visit; });
    }

    void backward(const feature_map& in, const feature_map& out, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        if (!d_in) return;
        std::fill_n(d_in->data(), d_in->size(), 0.0f);
        const dim_t channels = in.channels();
        // rest: the gradient of each channel, until a tap takes it
        const auto visit = [&, rest = std::vector<float>(static_cast<std::size_t>(channels))](dim_t out_at,
                                                                                              auto&& tap) mutable {
            const float* const y = out.data() + out_at;
            std::copy_n(d_out.data() + out_at, channels, rest.begin());
            for (dim_t r = 0; r < window_; ++r)
                for (dim_t s = 0; s < window_; ++s) {
                    const float* const x = in.data() + tap(r, s);
                    float* const result = d_in->data() + tap(r, s);
                    for (dim_t c = 0; c < channels; ++c) {
                        float& left = rest[static_cast<std::size_t>(c)];
                        const float taken = x[c] == y[c] ? left : 0.0f;
                        result[c] += taken;
                        left -= taken;
                    }
                }
        };
        for_each_window(in, out, p.exec, [&] { return visit; }); // each image has its own copy
    }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }

private:
    /// visit(position in out, (r, s) -> position in `in`) for each window, where `visit` is made anew by `make_visit`
    /// for each image; positions are of the first channel. Images in parallel, so that overlapping windows never meet
    /// in two threads.
    template <class MakeVisit>
    void for_each_window(const feature_map& in, const feature_map& out, executor_ref exec,
                         MakeVisit&& make_visit) const {
        const dim_t channels = in.channels(), height = in.height(), width = in.width();
        exec.for_each(in.batch(), [&](dim_t image, int) {
            auto visit = make_visit();
            for (dim_t y = 0; y < out.height(); ++y)
                for (dim_t x = 0; x < out.width(); ++x) {
                    const dim_t corner = ((image * height + y * stride_) * width + x * stride_) * channels;
                    visit(((image * out.height() + y) * out.width() + x) * channels,
                          [=](dim_t r, dim_t s) { return corner + (r * width + s) * channels; });
                }
        });
    }

    dim_t window_, stride_;
};

/// The average over the image: batch x h x w x channels becomes batch x 1 x 1 x channels.
class global_average_pool : public layer {
public:
    extents output_shape(const extents& in) const override {
        require(in.rank() == 4 && in[1] > 0 && in[2] > 0,
                "global_average_pool: expected images of at least one pixel, got ", in);
        return {in[0], 1, 1, in[3]};
    }

    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        const dim_t pixels = in.height() * in.width(), channels = in.channels();
        const float share = 1 / static_cast<float>(pixels);
        p.exec.for_each(in.batch(), [&](dim_t image, int) {
            float* const y = out.data() + image * channels;
            std::fill_n(y, channels, 0.0f);
            for (dim_t i = 0; i < pixels; ++i)
                for (dim_t c = 0; c < channels; ++c) y[c] += in.data()[(image * pixels + i) * channels + c];
            for (dim_t c = 0; c < channels; ++c) y[c] *= share;
        });
    }

    void backward(const feature_map& in, const feature_map&, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        if (!d_in) return;
        const dim_t pixels = in.height() * in.width(), channels = in.channels();
        const float share = 1 / static_cast<float>(pixels);
        p.exec.for_each(in.batch(), [&](dim_t image, int) {
            for (dim_t i = 0; i < pixels; ++i)
                for (dim_t c = 0; c < channels; ++c)
                    d_in->data()[(image * pixels + i) * channels + c] = share * d_out.data()[image * channels + c];
        });
    }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
