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
#include "intaglio/nn/batch_norm.hpp"
#include "intaglio/nn/conv2d.hpp"
#include "intaglio/nn/pooling.hpp"
#include "intaglio/nn/relu.hpp"
#include "intaglio/nn/sequential.hpp"
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
struct max_pool_stage {
    dim_t window = 0, stride = 0;
};
struct average_pool_stage {};

struct folded_network {
    std::vector<std::variant<folded_conv, max_pool_stage, average_pool_stage>> stages;
};

namespace detail {
class folder : public layer_visitor {
public:
    folded_network result;

    void visit(const conv2d_base& conv) override {
        finish_hidden();
        folded_conv stage;
        stage.name = conv.name();
        stage.shape = conv.conv_shape();
        stage.weights = conv.weight().value;
        const auto channels = static_cast<std::size_t>(conv.conv_shape().out_channels);
        stage.scale.assign(channels, 1.0f);
        stage.shift.assign(channels, 0.0f);
        if (conv.has_bias()) stage.shift.assign(conv.bias().value.begin(), conv.bias().value.end());
        open_ = std::move(stage);
        norm_ = nullptr;
    }
    void visit(const batch_norm& norm) override {
        require<value_error>(open_ && !norm_ && norm.channels() == open_->shape.out_channels, "fold: ", norm.name(),
                             " does not follow a convolution of its channels");
        for (std::size_t c = 0; c < open_->scale.size(); ++c) {
            const auto at = static_cast<dim_t>(c);
            const float scale = norm.scale()[at] / std::sqrt(norm.running_variance()[at] + batch_norm::epsilon);
            open_->scale[c] = scale;
            open_->shift[c] = norm.shift()[at] + (open_->shift[c] - norm.running_mean()[at]) * scale;
        }
        norm_ = &norm;
    }
    void visit(const relu&) override {
        require<value_error>(
            open_ && norm_,
            "fold: a ReLU that does not follow a batch norm; without its statistics the range would need data");
        open_->range = activation_range(norm_->scale().span(), norm_->shift().span());
        close();
    }
    void visit(const max_pool& pool) override {
        finish_hidden();
        result.stages.push_back(max_pool_stage{pool.window(), pool.stride()});
    }
    void visit(const global_average_pool&) override {
        finish_hidden();
        result.stages.emplace_back(std::in_place_type<average_pool_stage>);
    }
    void visit(const residual&) override { fail<value_error>("fold: residual blocks are not supported yet"); }

    folded_network finish() {
        if (open_) close();
        return std::move(result);
    }

private:
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
        result.stages.push_back(std::move(*open_));
        open_.reset();
        norm_ = nullptr;
    }

    std::optional<folded_conv> open_;
    const batch_norm* norm_ = nullptr;
};
} // namespace detail

/// Folds a network of convolutions (each hidden one followed by batch norm and ReLU), poolings and a last linear layer.
/// value_error, naming the layer, for any other structure, and for a scale or shift that is NaN or infinite. The
/// network is only read.
inline folded_network fold(const sequential& network) {
    const float_environment scope;
    detail::folder folder;
    network.accept(folder);
    return folder.finish();
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
