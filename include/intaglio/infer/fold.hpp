// SPDX-License-Identifier: Apache-2.0
#pragma once

// The network that answers, without batch norms: again a network with its parameters, which computes the same in FP32
// and which everything that reads a network can read. A batch norm behind a convolution or a linear layer that nobody
// else reads becomes part of it,
//
//   weight'(o, ..) = g_o weight(o, ..),   bias'_o = norm_bias_o + (bias_o - mean_o) g_o,
//   g_o = norm_weight_o / sqrt(variance_o + epsilon),
//
// any other becomes a convolution of one tap for each channel. Auxiliary outputs, dropout and the flattening of single
// pixels go. What batch norm promised of its outputs, their mean and variance, is kept beside (channel_moments.hpp
// carries it through the graph). Read coded_network.hpp next.

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// The mean and variance of each channel of an activation.
struct channel_moments {
    std::vector<double> mean, variance;
};

struct folded_network {
    nn::network net;
    nn::parameters weights;
    std::vector<std::optional<channel_moments>> normed; ///< of each node: of its output, where that was normalised
};

namespace detail {

class batch_norm_folder {
public:
    batch_norm_folder(const nn::network& net, const nn::parameters& weights)
        : part_(nn::evaluation_part(net)), shapes_(nn::infer_shapes(part_, 1)),
          given_(nn::select_parameters(part_, weights)), readers_(nn::readers(part_)) {}

    folded_network fold() {
        for (std::size_t i = 0; i < part_.nodes.size(); ++i) {
            const nn::node& n = part_.nodes[i];
            if (std::holds_alternative<nn::op::flatten>(n.op) && is_pixel(n.inputs[0]))
                place_.push_back(place_[n.inputs[0]]);
            else if (std::holds_alternative<nn::op::batch_norm>(n.op) && joins(n.inputs[0]))
                place_.push_back(join_norm(i));
            else
                place_.push_back(append(i));
        }
        result_.net.outputs = {{place_[part_.outputs.front().node], 1}};
        result_.net.loss = part_.loss;
        nn::infer_shapes(result_.net, 1);
        take_values();
        return std::move(result_);
    }

private:
    bool is_pixel(std::size_t node) const { return shapes_[node][1] == 1 && shapes_[node][2] == 1; }
    bool joins(std::size_t node) const {
        const nn::operation& op = part_.nodes[node].op;
        return (std::holds_alternative<nn::op::convolution>(op) || std::holds_alternative<nn::op::linear>(op)) &&
               readers_[node].size() == 1 && part_.outputs.front().node != node;
    }

    std::size_t append(std::size_t i) {
        nn::node n = part_.nodes[i];
        for (std::size_t& from : n.inputs) from = place_[from];
        product_.push_back(i), norm_.push_back(std::nullopt);
        if (const auto* norm = std::get_if<nn::op::batch_norm>(&n.op)) {
            norm_.back() = i, product_.back() = std::nullopt;
            n.op = nn::op::convolution{
                .in_channels = norm->channels, .out_channels = norm->channels, .groups = norm->channels};
        }
        result_.net.nodes.push_back(std::move(n));
        return result_.net.nodes.size() - 1;
    }
    std::size_t join_norm(std::size_t i) {
        const std::size_t at = place_[part_.nodes[i].inputs[0]];
        norm_[at] = i;
        std::visit(
            [](auto& op) {
                if constexpr (requires { op.bias; }) op.bias = true;
            },
            result_.net.nodes[at].op);
        return at;
    }

    void take_values() {
        using role = nn::parameter_role;
        result_.weights = nn::parameters(result_.net);
        result_.normed.resize(result_.net.nodes.size());
        for (std::size_t i = 0; i < result_.net.nodes.size(); ++i) {
            const std::size_t at = result_.weights.place(i, role::weight);
            if (at == result_.weights.count()) continue;
            tensor<float>& weight = result_.weights[at];
            float* const bias = result_.weights.find(i, role::bias);
            const dim_t rows = weight.shape()[0], cols = rows > 0 ? weight.size() / rows : 0;
            const float* const own = product_[i] ? given_.find(*product_[i], role::weight) : nullptr;
            const float* const own_bias = product_[i] ? given_.find(*product_[i], role::bias) : nullptr;
            for (dim_t o = 0; o < rows; ++o) {
                double factor = 1, shift = own_bias ? static_cast<double>(own_bias[o]) : 0;
                if (norm_[i]) {
                    const auto value = [&](role r) { return static_cast<double>(given_.find(*norm_[i], r)[o]); };
                    const double epsilon = std::get<nn::op::batch_norm>(part_.nodes[*norm_[i]].op).epsilon;
                    factor = value(role::weight) / std::sqrt(value(role::running_variance) + epsilon);
                    shift = value(role::bias) + (shift - value(role::running_mean)) * factor;
                    if (!result_.normed[i]) result_.normed[i].emplace();
                    result_.normed[i]->mean.push_back(value(role::bias));
                    result_.normed[i]->variance.push_back(value(role::weight) * value(role::weight));
                }
                for (dim_t k = 0; k < cols; ++k)
                    weight[o * cols + k] =
                        static_cast<float>(factor * (own ? static_cast<double>(own[o * cols + k]) : 1.0));
                if (bias) bias[o] = static_cast<float>(shift);
                check_finite(i, o,
                             weight.span().subspan(static_cast<std::size_t>(o * cols), static_cast<std::size_t>(cols)),
                             bias ? bias[o] : 0.0F);
            }
        }
    }
    void check_finite(std::size_t node, dim_t channel, std::span<const float> weights, float bias) const {
        bool finite = is_finite(bias);
        for (const float w : weights) finite = finite && is_finite(w);
        require<value_error>(finite, "fold: channel ", channel, " of ", result_.net.nodes[node].name,
                             " has weights or a shift that are not finite");
    }

    nn::network part_;
    std::vector<extents> shapes_;
    nn::parameters given_;
    std::vector<std::vector<std::size_t>> readers_;
    folded_network result_;
    std::vector<std::size_t> place_;                         ///< of each node of the part in the result
    std::vector<std::optional<std::size_t>> product_, norm_; ///< of each node of the result in the part
};

} // namespace detail

/// Folds the part of a network that answers. Throws value_error, which names the node, where a parameter is missing or
/// a folded number is not finite, and as nn::infer_shapes does.
inline folded_network fold(const nn::network& net, const nn::parameters& weights) {
    const float_environment scope;
    return detail::batch_norm_folder(net, weights).fold();
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
