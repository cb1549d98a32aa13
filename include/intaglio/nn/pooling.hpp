// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layers that make images smaller: the largest value of each window, and the average over the whole image.

#include <algorithm>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/chunks.hpp"
#include "intaglio/nn/layer.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// The largest value of each window of `window` x `window` pixels, `stride` apart, without padding; NaN if there is one
/// in the window. Pixels at the right and lower edge that fill no window are left out. Of equal values the first (row
/// by row) takes the gradient, of NaN the last, as in PyTorch.
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
                    for (dim_t c = 0; c < channels; ++c) {
                        const bool wins = (x[c] > y[c]) | (x[c] != x[c]);
                        y[c] = wins ? x[c] : y[c];
                    }
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
            bool broken = false; // a NaN is equal to nothing
            for (dim_t c = 0; c < channels; ++c) broken |= y[c] != y[c];
            std::copy_n(d_out.data() + out_at, channels, rest.begin());
            for (dim_t r = 0; r < window_; ++r)
                for (dim_t s = 0; s < window_; ++s) {
                    const float* const x = in.data() + tap(r, s);
                    float* const result = d_in->data() + tap(r, s);
                    for (dim_t c = 0; c < channels; ++c) {
                        float& left = rest[static_cast<std::size_t>(c)];
                        const bool takes = x[c] == y[c];
                        result[c] += takes ? left : 0.0f;
                        left = takes ? 0.0f : left;
                    }
                }
            for (dim_t tap_at = broken ? window_ * window_ : 0; tap_at-- > 0;) {
                const dim_t at = tap(tap_at / window_, tap_at % window_);
                for (dim_t c = 0; c < channels; ++c) {
                    float& left = rest[static_cast<std::size_t>(c)];
                    if (in.data()[at + c] == in.data()[at + c]) continue;
                    d_in->data()[at + c] += left;
                    left = 0;
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

/// The average over the image: batch x h x w x channels becomes batch x 1 x 1 x channels. Summed in double, in an order
/// that does not depend on the threads (chunks.hpp).
class global_average_pool : public layer {
public:
    extents output_shape(const extents& in) const override {
        require(in.rank() == 4 && in[1] > 0 && in[2] > 0,
                "global_average_pool: expected images of at least one pixel, got ", in);
        return {in[0], 1, 1, in[3]};
    }

    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        const float_environment scope;
        const dim_t pixels = in.height() * in.width(), channels = in.channels();
        std::vector<double> sums(static_cast<std::size_t>(out.size()));
        grouped_column_sums(in.batch(), pixels, channels, sums.data(), p.exec,
                            [=, x = in.data()](dim_t r, dim_t c) { return static_cast<double>(x[r * channels + c]); });
        for (dim_t i = 0; i < out.size(); ++i)
            out.data()[i] = static_cast<float>(sums[static_cast<std::size_t>(i)] / static_cast<double>(pixels));
    }

    void backward(const feature_map& in, const feature_map&, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        if (!d_in) return;
        const dim_t pixels = in.height() * in.width(), channels = in.channels();
        p.exec.for_each(in.batch(), [&](dim_t image, int) {
            const float* const d = d_out.data() + image * channels;
            float* const first = d_in->data() + image * pixels * channels;
            for (dim_t c = 0; c < channels; ++c)
                first[c] = static_cast<float>(static_cast<double>(d[c]) / static_cast<double>(pixels));
            for (dim_t i = 1; i < pixels; ++i) std::copy_n(first, channels, first + i * channels);
        });
    }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
