// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builds a network node by node, so that a model's function reads like its paper's table:
//
//   network_builder net;
//   auto x = net.input(32, 32, 3);
//   x = net.convolution("conv1", x, {.out_channels = 16, .kernel = 3, .padding = 1, .bias = false});
//   x = net.relu(net.batch_norm("bn1", x));
//   x = net.flatten(net.global_average_pool(x));
//   return net.finish(net.linear("fc", x, {.out_features = 10}));
//
// Each node is checked as it is added, so an error comes from the line that is wrong. Input channels and features are
// those of the input unless said; a pool's stride is its kernel unless said. Nodes with parameters have a name, which
// is the prefix of the parameters' names; others are called after their operation, beside their input ("layer1.0.bn1"
// gives "layer1.0.relu", then "layer1.0.relu_2") unless a name is given.
//
// Options come by reference: GCC 12.2 with AVX-512 passes constant structs of 32 bytes and more wrongly by value, here
// {2, 2, 0, 0} as {2, 2, 2, 0} (its vectorizer's constant, read back in one piece).
//
// Nodes, and with them parameters, stand in the order of the calls: write `add(a(), b())` with both values made before,
// since the language leaves the order of arguments open.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

class network_builder {
public:
    /// What a node of this builder gives.
    struct value {
        std::size_t node = 0;
    };

    /// The images; first of all, once.
    value input(dim_t height, dim_t width, dim_t channels, std::string name = "input") {
        require<value_error>(net_.nodes.empty(), name, ": a network has one input, its first node");
        shapes_.push_back({1, height, width, channels});
        names_.insert(name);
        net_.nodes.push_back({op::input{height, width, channels}, {}, std::move(name)});
        return {0};
    }

    value convolution(std::string name, value x, const op::convolution& options) {
        op::convolution c = options;
        if (c.in_channels == 0) c.in_channels = shape(x)[3];
        return append(c, {x}, std::move(name));
    }
    value linear(std::string name, value x, const op::linear& options) {
        op::linear l = options;
        if (l.in_features == 0) l.in_features = shape(x)[3];
        return append(l, {x}, std::move(name));
    }
    value batch_norm(std::string name, value x, const op::batch_norm& options = {}) {
        op::batch_norm n = options;
        if (n.channels == 0) n.channels = shape(x)[3];
        return append(n, {x}, std::move(name));
    }
    value relu(value x, std::string name = {}) { return append(op::relu{}, {x}, std::move(name)); }
    value add(value a, value b, std::string name = {}) { return append(op::add{}, {a, b}, std::move(name)); }
    value concatenate(const std::vector<value>& parts, std::string name = {}) {
        return append(op::concatenate{}, parts, std::move(name));
    }
    value max_pool(value x, const op::max_pool& options, std::string name = {}) {
        op::max_pool p = options;
        if (p.stride == size2d(0)) p.stride = p.kernel;
        return append(p, {x}, std::move(name));
    }
    value average_pool(value x, const op::average_pool& options, std::string name = {}) {
        op::average_pool p = options;
        if (p.stride == size2d(0)) p.stride = p.kernel;
        return append(p, {x}, std::move(name));
    }
    value adaptive_average_pool(value x, size2d size, std::string name = {}) {
        return append(op::adaptive_average_pool{size}, {x}, std::move(name));
    }
    value global_average_pool(value x, std::string name = {}) {
        if (name.empty()) name = free_name("global_average_pool", {x.node});
        return adaptive_average_pool(x, 1, std::move(name));
    }
    value local_response_norm(value x, const op::local_response_norm& n, std::string name = {}) {
        return append(n, {x}, std::move(name));
    }
    value dropout(value x, double probability, std::string name = {}) {
        return append(op::dropout{probability}, {x}, std::move(name));
    }
    value flatten(value x, std::string name = {}) { return append(op::flatten{}, {x}, std::move(name)); }
    value padded_shortcut(value x, const op::padded_shortcut& s, std::string name = {}) {
        return append(s, {x}, std::move(name));
    }

    /// Any operation as it stands. Throws shape_error or value_error, and adds nothing, where it does not fit its
    /// inputs or its name is taken; without a name it gets one.
    value append(const operation& op, const std::vector<value>& inputs, std::string name = {}) {
        node n{op, {}, std::move(name)};
        for (const value x : inputs) n.inputs.push_back(x.node);
        if (n.name.empty()) n.name = free_name(kind_of(n.op), n.inputs);
        require<value_error>(names_.count(n.name) == 0, n.name, ": another node has this name");
        const std::string added = n.name;
        net_.nodes.push_back(std::move(n));
        try {
            shapes_.push_back(detail::output_shape(net_, net_.nodes.size() - 1, shapes_));
        } catch (...) {
            net_.nodes.pop_back();
            throw;
        }
        names_.insert(added);
        return {net_.nodes.size() - 1};
    }

    /// The shape of a value for a batch of one: 1 x height x width x channels.
    const extents& shape(value x) const { return shapes_.at(x.node); }

    /// Makes `logits` an auxiliary output: in training, its loss counts with this weight.
    void auxiliary_output(value logits, double weight) { auxiliary_.push_back({logits.node, weight}); }

    /// The network whose answer is `logits`. Throws as infer_shapes does.
    network finish(value logits, const op::softmax_cross_entropy& loss = {}) const {
        network net = net_;
        net.outputs = {{logits.node, 1}};
        net.outputs.insert(net.outputs.end(), auxiliary_.begin(), auxiliary_.end());
        net.loss = loss;
        infer_shapes(net, 1);
        return net;
    }

private:
    /// The kind of the operation beside its first input, numbered where that is taken.
    std::string free_name(std::string_view kind, const std::vector<std::size_t>& inputs) const {
        std::string beside;
        if (!inputs.empty()) {
            const std::string& first = net_.nodes.at(inputs.front()).name;
            if (const std::size_t dot = first.rfind('.'); dot != std::string::npos) beside = first.substr(0, dot + 1);
        }
        std::string name = join(beside, kind);
        for (int number = 2; names_.count(name) != 0; ++number) name = join(beside, kind, '_', number);
        return name;
    }

    network net_;
    std::vector<extents> shapes_; // for a batch of one
    std::set<std::string> names_;
    std::vector<network_output> auxiliary_;
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
