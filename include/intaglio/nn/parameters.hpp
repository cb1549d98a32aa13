// SPDX-License-Identifier: Apache-2.0
#pragma once

// The named tensors of a network, a value beside it. Names are those of PyTorch's state dict, the node's name and a
// role: "conv1.weight", "layer1.0.bn1.running_mean"; the order is that of the nodes. Layouts are this library's:
//
//   convolution  weight  (out_channels, kernel.h, kernel.w, in_channels / groups)     bias (out_channels)
//   linear       weight  (out_features, in_features), pixels before channels          bias (out_features)
//   batch_norm   weight, bias, running_mean, running_var  (channels)
//
// pytorch_layout.hpp converts to and from PyTorch's, io/parameters_file.hpp reads and writes files, initialize.hpp
// draws first values.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

enum class parameter_role { weight, bias, running_mean, running_variance };

/// What a tensor of parameters is, apart from its values.
struct parameter_spec {
    std::string name;
    std::size_t node = 0; ///< whose it is
    parameter_role role = parameter_role::weight;
    extents shape;
    bool trained = true; ///< by the optimizer; running statistics and frozen batch norms are only stored
    bool decays = false; ///< whether weight decay applies: to weights of products

    friend bool operator==(const parameter_spec&, const parameter_spec&) = default;
};

/// All parameters of a network, in the order of its nodes, for each: weight, bias, running mean, running variance.
inline std::vector<parameter_spec> parameter_specs(const network& net) {
    std::vector<parameter_spec> specs;
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        const node& n = net.nodes[i];
        const auto add = [&](parameter_role role, const char* suffix, extents shape, bool trained, bool decays) {
            specs.push_back({n.name + suffix, i, role, shape, trained, decays});
        };
        const auto product = [&](const extents& weight, bool bias) {
            add(parameter_role::weight, ".weight", weight, true, true);
            if (bias) add(parameter_role::bias, ".bias", {weight[0]}, true, false);
        };
        if (const auto* c = std::get_if<op::convolution>(&n.op)) {
            product({c->out_channels, c->kernel.h, c->kernel.w, c->in_channels / c->groups}, c->bias);
        } else if (const auto* l = std::get_if<op::linear>(&n.op)) {
            product({l->out_features, l->in_features}, l->bias);
        } else if (const auto* b = std::get_if<op::batch_norm>(&n.op)) {
            const extents shape{b->channels};
            add(parameter_role::weight, ".weight", shape, !b->frozen, false);
            add(parameter_role::bias, ".bias", shape, !b->frozen, false);
            add(parameter_role::running_mean, ".running_mean", shape, false, false);
            add(parameter_role::running_variance, ".running_var", shape, false, false);
        }
    }
    return specs;
}

/// The tensors themselves.
class parameters {
public:
    parameters() = default;

    /// Those of a network that passes infer_shapes. Zeros, but for weights and running variances of batch norms: ones.
    explicit parameters(const network& net) : specs_(parameter_specs(net)), places_(net.nodes.size(), none) {
        for (std::size_t i = 0; i < specs_.size(); ++i) {
            const parameter_spec& spec = specs_[i];
            places_[spec.node][static_cast<std::size_t>(spec.role)] = i;
            values_.emplace_back(spec.shape);
            const bool norm = std::holds_alternative<op::batch_norm>(net.nodes[spec.node].op);
            if (norm && (spec.role == parameter_role::weight || spec.role == parameter_role::running_variance))
                for (float& v : values_.back()) v = 1;
        }
    }

    std::size_t count() const { return values_.size(); } ///< of tensors
    const std::vector<parameter_spec>& specs() const { return specs_; }
    const parameter_spec& spec(std::size_t i) const { return specs_[i]; }
    /// The values of tensor i. They may be changed, their shape may not.
    tensor<float>& operator[](std::size_t i) { return values_[i]; }
    const tensor<float>& operator[](std::size_t i) const { return values_[i]; }

    /// Which tensor of a node has that role; count() if none.
    std::size_t place(std::size_t node, parameter_role role) const {
        return std::min(places_.at(node)[static_cast<std::size_t>(role)], count());
    }
    /// Its values, null if the node has none of that role.
    const float* find(std::size_t node, parameter_role role) const {
        const std::size_t i = place(node, role);
        return i < count() ? values_[i].data() : nullptr;
    }
    float* find(std::size_t node, parameter_role role) {
        return const_cast<float*>(std::as_const(*this).find(node, role));
    }

    /// The tensor of that name. Throws value_error if there is none.
    const tensor<float>& at(std::string_view name) const {
        for (std::size_t i = 0; i < count(); ++i)
            if (specs_[i].name == name) return values_[i];
        fail<value_error>("parameters: none is called '", name, "'");
    }
    tensor<float>& at(std::string_view name) { return const_cast<tensor<float>&>(std::as_const(*this).at(name)); }

private:
    static constexpr std::size_t missing = static_cast<std::size_t>(-1);
    static constexpr std::array<std::size_t, 4> none{missing, missing, missing, missing};

    std::vector<parameter_spec> specs_;
    std::vector<tensor<float>> values_;
    std::vector<std::array<std::size_t, 4>> places_; // of each node, by role
};

/// Those of `all` that a part of their network has (evaluation_part), by name. Throws value_error, which names the
/// tensor, where one is missing or has another shape.
inline parameters select_parameters(const network& part, const parameters& all) {
    parameters some(part);
    for (std::size_t i = 0; i < some.count(); ++i) {
        const parameter_spec& spec = some.spec(i);
        const tensor<float>& values = all.at(spec.name);
        require<value_error>(values.shape() == spec.shape, "parameters: '", spec.name, "' is ", values.shape(),
                             ", the part takes ", spec.shape);
        some[i] = values;
    }
    return some;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
