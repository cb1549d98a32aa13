// SPDX-License-Identifier: Apache-2.0
#pragma once

// Batch normalisation over the pixels of a batch, per channel:
//
//   out = scale (in - mean) / sqrt(variance + epsilon) + shift
//
// In training, mean and (biased) variance are those of the batch and the running ones move towards them; otherwise the
// running ones are used. With x = (in - mean) / sqrt(variance + epsilon) and averages over the pixels, the gradients
// are
//
//   d_scale = sum d_out x,   d_shift = sum d_out,
//   d_in = scale / sqrt(variance + epsilon) (d_out - avg(d_out) - x avg(d_out x))   with the batch's mean and variance
//   d_in = scale / sqrt(variance + epsilon) d_out                                   with the running ones
//
// FP32 in every network; sums in double, in an order that does not depend on the threads (chunks.hpp).

#include <cmath>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/chunks.hpp"
#include "intaglio/nn/layer.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

class batch_norm : public layer {
public:
    static constexpr float epsilon = 1e-5f;
    static constexpr float momentum = 0.1f; ///< weight of the batch in the running statistics

    batch_norm(std::string name, dim_t channels)
        : name_(std::move(name)), scale_(name_ + ".weight", {channels}, true, false),
          shift_(name_ + ".bias", {channels}, true, false), running_mean_(name_ + ".running_mean", {channels}, false),
          running_variance_(name_ + ".running_var", {channels}, false), mean_(channels), inverse_deviation_(channels) {
        for (float& v : scale_.value) v = 1;
        for (float& v : running_variance_.value) v = 1;
    }

    dim_t channels() const { return scale_.value.size(); }
    const std::string& name() const { return name_; }
    const tensor<float>& scale() const { return scale_.value; }
    const tensor<float>& shift() const { return shift_.value; }
    const tensor<float>& running_mean() const { return running_mean_.value; }
    const tensor<float>& running_variance() const { return running_variance_.value; }

    extents output_shape(const extents& in) const override {
        require(in.rank() == 4 && in[3] == channels(), name_, ": expected ", channels(), " channels, got an input of ",
                in);
        return in;
    }

    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        const float_environment scope;
        of_batch_ = p.training;
        if (of_batch_)
            take_batch_statistics(in, p.exec);
        else
            for (dim_t c = 0; c < channels(); ++c) {
                mean_[c] = running_mean_.value[c];
                inverse_deviation_[c] = 1 / std::sqrt(running_variance_.value[c] + epsilon);
            }
        const dim_t n = channels();
        for_each_row_chunk(in.pixels(), p.exec, [&, x = in.data(), y = out.data()](dim_t row) {
            for (dim_t c = 0; c < n; ++c)
                y[row * n + c] =
                    scale_.value[c] * ((x[row * n + c] - mean_[c]) * inverse_deviation_[c]) + shift_.value[c];
        });
    }

    /// Of the last forward pass, in training or not: with the statistics that it used.
    void backward(const feature_map& in, const feature_map&, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        const float_environment scope;
        const dim_t n = channels(), rows = in.pixels();
        const float *const x = in.data(), *const d = d_out.data();
        std::vector<double> sum(static_cast<std::size_t>(n)), sum_x(static_cast<std::size_t>(n));
        column_sums(rows, n, sum.data(), p.exec, [=](dim_t r, dim_t c) { return static_cast<double>(d[r * n + c]); });
        column_sums(rows, n, sum_x.data(), p.exec, [=, this](dim_t r, dim_t c) {
            return static_cast<double>(d[r * n + c]) *
                   static_cast<double>((x[r * n + c] - mean_[c]) * inverse_deviation_[c]);
        });
        buffer<float> average(n), average_x(n);
        for (dim_t c = 0; c < n; ++c) {
            const auto at = static_cast<std::size_t>(c);
            scale_.gradient[c] = static_cast<float>(sum_x[at]);
            shift_.gradient[c] = static_cast<float>(sum[at]);
            if (!of_batch_) continue; // running statistics don't follow the input: no averages to take off
            average[c] = static_cast<float>(sum[at] / static_cast<double>(rows));
            average_x[c] = static_cast<float>(sum_x[at] / static_cast<double>(rows));
        }
        if (!d_in) return;
        for_each_row_chunk(rows, p.exec, [&, y = d_in->data()](dim_t row) {
            for (dim_t c = 0; c < n; ++c) {
                const float normal = (x[row * n + c] - mean_[c]) * inverse_deviation_[c];
                y[row * n + c] =
                    scale_.value[c] * inverse_deviation_[c] * (d[row * n + c] - average[c] - normal * average_x[c]);
            }
        });
    }

    std::vector<parameter*> parameters() override { return {&scale_, &shift_, &running_mean_, &running_variance_}; }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }

private:
    template <class Work>
    static void for_each_row_chunk(dim_t rows, executor_ref exec, Work&& work) {
        for_each_chunk(
            rows, exec,
            [&](dim_t begin, dim_t end) {
                for (dim_t row = begin; row < end; ++row) work(row);
            },
            128);
    }

    void take_batch_statistics(const feature_map& in, executor_ref exec) {
        const dim_t n = channels(), rows = in.pixels();
        require<value_error>(rows > 1, name_, ": statistics of a batch need at least two pixels, got an input of ",
                             in.shape());
        const float* const x = in.data();
        std::vector<double> sum(static_cast<std::size_t>(n)), squares(static_cast<std::size_t>(n));
        column_sums(rows, n, sum.data(), exec, [=](dim_t r, dim_t c) { return static_cast<double>(x[r * n + c]); });
        for (double& s : sum) s /= static_cast<double>(rows);
        column_sums(rows, n, squares.data(), exec, [=, mean = sum.data()](dim_t r, dim_t c) {
            const double d = static_cast<double>(x[r * n + c]) - mean[c];
            return d * d;
        });
        for (dim_t c = 0; c < n; ++c) {
            const double mean = sum[static_cast<std::size_t>(c)], square = squares[static_cast<std::size_t>(c)];
            const double variance = square / static_cast<double>(rows),
                         unbiased = square / static_cast<double>(rows - 1);
            mean_[c] = static_cast<float>(mean);
            inverse_deviation_[c] = static_cast<float>(1 / std::sqrt(variance + static_cast<double>(epsilon)));
            running_mean_.value[c] += momentum * (static_cast<float>(mean) - running_mean_.value[c]);
            running_variance_.value[c] += momentum * (static_cast<float>(unbiased) - running_variance_.value[c]);
        }
    }

    std::string name_;
    parameter scale_, shift_, running_mean_, running_variance_;
    buffer<float> mean_, inverse_deviation_; ///< of the last forward pass
    bool of_batch_ = false;                  ///< they are the batch's
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
