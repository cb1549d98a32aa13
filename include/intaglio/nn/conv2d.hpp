// SPDX-License-Identifier: Apache-2.0
#pragma once

// The layers that multiply: a convolution, and the linear layer as its 1 x 1 case on a single pixel. One text for every
// numerics (numerics.hpp): all three passes convert their operands, multiply, and give back FP32.
//
//   forward           out(p, o)      = sum over taps and channels of in(tap, c) weight(o, tap, c)  (+ bias(o))
//   weight gradient   d_weight(o, k) = sum over output pixels of d_out(p, o) in(tap, c)
//   input gradient    d_in(p, c)     = sum over taps and filters of d_out(p', o) weight(o, tap, c)
//
// The converted input and weights of the forward pass are kept for the backward pass, so each tensor is converted once.

#include <string>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/chunks.hpp"
#include "intaglio/nn/layer.hpp"
#include "intaglio/nn/product_operand.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// What a convolution layer is apart from its numerics. Square kernels, the same padding on all sides.
struct conv2d_shape {
    dim_t in_channels = 0;
    dim_t out_channels = 0;
    dim_t kernel = 1;  ///< in pixels, both ways
    dim_t stride = 1;  ///< in pixels, both ways
    dim_t padding = 0; ///< in pixels, each side

    /// The geometry for an input of shape `in`; shape_error naming `layer` where the channels differ.
    conv_geometry on(const extents& in, const std::string& layer) const {
        require(in.rank() == 4 && in[3] == in_channels, layer, ": expected ", in_channels,
                " channels, got an input of ", in);
        conv_geometry g;
        g.batch = in[0], g.height = in[1], g.width = in[2];
        g.in_channels = in_channels, g.out_channels = out_channels;
        g.kernel_h = g.kernel_w = kernel;
        g.stride_h = g.stride_w = stride;
        g.pad_h = g.pad_w = padding;
        g.check();
        return g;
    }
    dim_t filter_size() const { return kernel * kernel * in_channels; } ///< values in the filter of one output channel
};

/// The part that does not depend on the numerics: shape, parameters, and who may read them.
class conv2d_base : public layer {
public:
    const std::string& name() const { return name_; }
    const conv2d_shape& conv_shape() const { return shape_; }
    parameter& weight() { return weight_; } ///< (out_channels, kernel, kernel, in_channels)
    const parameter& weight() const { return weight_; }
    bool has_bias() const { return bias_.value.size() > 0; }
    parameter& bias() { return bias_; } ///< (out_channels), empty if there is none
    const parameter& bias() const { return bias_; }

    extents output_shape(const extents& in) const override {
        const conv_geometry g = shape_.on(in, name_);
        return {g.batch, g.out_height(), g.out_width(), g.out_channels};
    }
    std::vector<parameter*> parameters() override {
        if (has_bias()) return {&weight_, &bias_};
        return {&weight_};
    }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }

protected:
    conv2d_base(std::string name, conv2d_shape shape, bool with_bias)
        : name_(std::move(name)), shape_(shape),
          weight_(name_ + ".weight", {shape.out_channels, shape.kernel, shape.kernel, shape.in_channels}),
          bias_(name_ + ".bias", {with_bias ? shape.out_channels : 0}, true, false) {}

    std::string name_;
    conv2d_shape shape_;
    parameter weight_, bias_;
};

template <class Numerics>
class conv2d : public conv2d_base {
    using policy = typename Numerics::product;

public:
    /// `name` prefixes the parameters' names, "conv1" gives "conv1.weight".
    conv2d(std::string name, conv2d_shape shape, bool with_bias = false)
        : conv2d_base(std::move(name), shape, with_bias) {}

    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        const conv_geometry g = shape_.on(in.shape(), name_);
        in_.assign(in.all(), name_ + " input", p);
        weights_.assign(weight_.value, weight_.name, p);
        const auto filter = pack_filter<policy>(g,
                                                {.values = filter_matrix(g, weights_.span()),
                                                 .scale = weights_.scale(),
                                                 .plane_stride = weight_.value.size()},
                                                rhs_storage::fast, p.exec);
        const matrix_view<float> result{out.data(), out.pixels(), out.channels()};
        if (has_bias())
            conv_forward<policy>(g, in_.span(), in_.scale(), filter, result,
                                 epilogue{intaglio::bias{bias_.value.span()}}, p.exec, p.check);
        else
            conv_forward<policy>(g, in_.span(), in_.scale(), filter, result, epilogue<>{}, p.exec, p.check);
    }

    void backward(const feature_map& in, const feature_map&, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        const float_environment scope;
        const conv_geometry g = shape_.on(in.shape(), name_);
        d_out_.assign(d_out.all(), name_ + " output gradient", p);
        const matrix_view<float> d_weight{weight_.gradient.data(), shape_.out_channels, shape_.filter_size()};
        conv_weight_gradient<policy>(g, in_.span(), in_.scale(), d_out_.span(), d_out_.scale(), d_weight, p.exec,
                                     p.check);
        if (has_bias()) {
            std::vector<double> sums(static_cast<std::size_t>(shape_.out_channels));
            const float* const d = d_out.data();
            const dim_t channels = shape_.out_channels;
            column_sums(d_out.pixels(), channels, sums.data(), p.exec,
                        [=](dim_t r, dim_t c) { return d[r * channels + c]; });
            for (dim_t c = 0; c < channels; ++c)
                bias_.gradient[c] = static_cast<float>(sums[static_cast<std::size_t>(c)]);
        }
        if (!d_in) return;
        const matrix_view<float> result{d_in->data(), d_in->pixels(), d_in->channels()};
        conv_input_gradient<policy>(g, d_out_.span(), d_out_.scale(), weights_.span(), weights_.scale(), result,
                                    epilogue<>{}, p.exec, p.check);
    }

private:
    product_operand<Numerics> in_, weights_, d_out_;
};

/// A fully connected layer with bias, on feature maps of one pixel.
template <class Numerics>
class linear : public conv2d<Numerics> {
public:
    linear(std::string name, dim_t in_features, dim_t out_features)
        : conv2d<Numerics>(std::move(name), {.in_channels = in_features, .out_channels = out_features}, true) {}

    extents output_shape(const extents& in) const override {
        require(in.rank() == 4 && in[1] == 1 && in[2] == 1, this->name(), ": expected feature maps of one pixel, got ",
                in);
        return conv2d<Numerics>::output_shape(in);
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
