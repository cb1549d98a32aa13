// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a trained network to what inference computes: each convolution with the batch norm and ReLU behind it becomes
// one stage,
//
//   out = relu(scale_o * (sum of in weight) + shift_o),
//   scale_o = norm_scale_o / sqrt(variance_o + epsilon),
//   shift_o = norm_shift_o - mean_o scale_o   (+ scale_o times the convolution's own bias),
//
// with the range of its outputs (activation_range.hpp). Weights stay as they are: the quantizers see them before the
// fold, and the fold's factors ride in the epilogue for nothing. Read encode.hpp next.

#include <cmath>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/activation_range.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/nn/stages.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct folded_conv {
    std::string name;
    conv2d_shape shape;
    tensor<float> weights;           // (out_channels, kernel, kernel, in_channels)
    std::vector<float> scale, shift; // (out_channels) each
    /// Largest output, after ReLU; none for a last layer, whose outputs stay real numbers.
    std::optional<float> range;
};

struct folded_network {
    std::vector<std::variant<folded_conv, max_pool_stage, average_pool_stage>> stages;
};

namespace detail {
/// Takes the nodes of a chain in their order.
class folder {
public:
    folder(const network& net, const parameters& weights)
        : net_(net), weights_(weights), shapes_(infer_shapes(net, 1)) {}

    folded_network fold() {
        for (at_ = 1; at_ < net_.nodes.size(); ++at_) {
            const node& n = net_.nodes[at_];
            require<value_error>(n.inputs == std::vector{at_ - 1}, "fold: ", n.name,
                                 " does not follow the node before it alone; only chains can be folded yet");
            std::visit([&](const auto& o) { take(o); }, n.op);
        }
        if (open_) close();
        return std::move(result_);
    }

private:
    const std::string& name() const { return net_.nodes[at_].name; }
    const extents& in_shape() const { return shapes_[at_ - 1]; }
    const tensor<float>& weights_of(const char* suffix) const { return weights_.at(name() + suffix); }

    void take(const op::input&) {}
    void take(const op::convolution& c) {
        require<value_error>(c.kernel.h == c.kernel.w && c.stride.h == c.stride.w && c.padding.h == c.padding.w &&
                                 c.dilation == size2d(1) && c.groups == 1,
                             "fold: ", name(), " is a ", describe(c),
                             "; only square kernels without groups and dilation can be folded yet");
        open({c.in_channels, c.out_channels, c.kernel.h, c.stride.h, c.padding.h}, c.bias);
    }
    void take(const op::linear& l) { open({.in_channels = l.in_features, .out_channels = l.out_features}, l.bias); }
    void take(const op::batch_norm& norm) {
        require<value_error>(open_ && !norm_scale_, "fold: ", name(), " does not follow a convolution");
        const tensor<float>&scale = weights_of(".weight"), &shift = weights_of(".bias"),
              &mean = weights_of(".running_mean"), &variance = weights_of(".running_var");
        for (dim_t c = 0; c < norm.channels; ++c) {
            const auto at = static_cast<std::size_t>(c);
            open_->scale[at] = scale[c] / std::sqrt(variance[c] + static_cast<float>(norm.epsilon));
            open_->shift[at] = shift[c] + (open_->shift[at] - mean[c]) * open_->scale[at];
        }
        norm_scale_ = &scale, norm_shift_ = &shift;
    }
    void take(const op::relu&) {
        require<value_error>(open_ && norm_scale_, "fold: ", name(),
                             " does not follow a batch norm; without its statistics the range would need data");
        open_->range = activation_range(norm_scale_->span(), norm_shift_->span());
        close();
    }
    void take(const op::max_pool& p) {
        finish_hidden();
        require<value_error>(
            p.kernel.h == p.kernel.w && p.stride.h == p.stride.w && p.padding == size2d(0) && !p.ceil_mode,
            "fold: ", name(), " is a ", describe(p), "; only square windows within the image can be folded yet");
        result_.stages.push_back(max_pool_stage{p.kernel.h, p.stride.h});
    }
    void take(const op::adaptive_average_pool& p) {
        finish_hidden();
        require<value_error>(p.size == size2d(1), "fold: ", name(), " is a ", describe(p),
                             "; only the average over the image can be folded yet");
        result_.stages.emplace_back(std::in_place_type<average_pool_stage>);
    }
    void take(const op::flatten&) {
        require<value_error>(in_shape()[1] == 1 && in_shape()[2] == 1, "fold: ", name(), " flattens images of ",
                             in_shape()[1], " x ", in_shape()[2], " pixels; only single pixels can be folded yet");
    }
    template <class Op>
    void take(const Op& o) {
        fail<value_error>("fold: ", name(), " is a ", describe(o), ", which can't be folded yet");
    }

    void open(const conv2d_shape& shape, bool bias) {
        finish_hidden();
        const auto channels = static_cast<std::size_t>(shape.out_channels);
        open_ = {
            name(),      shape, weights_of(".weight"), std::vector<float>(channels, 1), std::vector<float>(channels),
            std::nullopt};
        if (bias) open_->shift.assign(weights_of(".bias").begin(), weights_of(".bias").end());
    }
    /// A convolution that something follows must have had its ReLU.
    void finish_hidden() const {
        require<value_error>(!open_, "fold: ", open_ ? open_->name : "",
                             " is a hidden layer without batch norm and ReLU behind it");
    }
    void close() {
        for (std::size_t c = 0; c < open_->scale.size(); ++c)
            require<value_error>(is_finite(open_->scale[c]) && is_finite(open_->shift[c]), "fold: channel ", c, " of ",
                                 open_->name, " is scaled by ", open_->scale[c], " and shifted by ", open_->shift[c],
                                 "; only finite numbers can be folded");
        result_.stages.push_back(std::move(*open_));
        open_.reset();
        norm_scale_ = norm_shift_ = nullptr;
    }

    const network& net_;
    const parameters& weights_;
    std::vector<extents> shapes_;
    std::size_t at_ = 0;
    folded_network result_;
    std::optional<folded_conv> open_;
    const tensor<float>*norm_scale_ = nullptr, *norm_shift_ = nullptr; ///< of the batch norm behind the open one
};
} // namespace detail

/// Folds the part of a network that answers (evaluation_part), if it is a chain of convolutions (each hidden one
/// followed by batch norm and ReLU), poolings and a last linear layer. value_error, naming the node, for any other
/// structure, for a parameter that `weights` lacks, and for a scale or shift that is NaN or infinite; otherwise throws
/// as infer_shapes does.
inline folded_network fold(const network& net, const parameters& weights) {
    const float_environment scope;
    const network part = evaluation_part(net);
    return detail::folder(part, weights).fold();
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
