// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a network computes: the forward pass, the loss and the gradients, node by node, each by the scalar text of its
// operation (the other files of this folder). Normative, and simple: every activation is FP32 and kept, nothing is
// fused. Plans are compared with it; users take a plan. It is quick enough for the networks of models/ all the same,
// since the products come from the library's kernels.
//
// In training, batch norms that are not frozen take the statistics of the batch and dropout drops; gradients flow from
// every output, with its weight. Otherwise the running statistics are taken, dropout does nothing, and the loss is that
// of the first output alone.
//
// Where several nodes read one, its gradient is the sum of theirs in FP32, the last reader first.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/reference/batch_norm.hpp"
#include "intaglio/nn/reference/elementwise.hpp"
#include "intaglio/nn/reference/loss.hpp"
#include "intaglio/nn/reference/pooling.hpp"
#include "intaglio/nn/reference/products.hpp"
#include "intaglio/nn/reference/response_norm.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn::reference {

struct network_mode {
    bool training = false;
    std::uint64_t seed = 0; ///< of dropout
    std::uint64_t step = 0; ///< of training; each has other masks
    product_mode products = {};
};

/// The random stream of a node's dropout at a step (elementwise.hpp).
constexpr std::uint64_t dropout_stream(std::size_t node, std::uint64_t step) {
    return step << 16 | static_cast<std::uint64_t>(node);
}

/// What a forward pass gives.
struct activations {
    std::vector<extents> shapes;             ///< of each node
    std::vector<tensor<float>> values;       ///< of each node
    std::vector<norm_statistics> statistics; ///< what each batch norm normalised with; empty elsewhere
};

/// For each parameter of the network, in the order of parameter_specs; empty where it is not trained.
struct gradients {
    std::vector<tensor<float>> parameters;
    tensor<float> images; ///< if it was asked for
};

namespace detail {

inline bool uses_batch(const op::batch_norm& n, const network_mode& mode) { return mode.training && !n.frozen; }

/// The forward pass of one node: `in` are the values of its inputs.
struct node_forward {
    const network_mode& mode;
    const parameters& weights;
    std::size_t node;
    std::vector<const tensor<float>*> in;
    tensor<float>& out;
    norm_statistics& statistics;

    const float* weight() const { return weights.find(node, parameter_role::weight); }
    const float* bias() const { return weights.find(node, parameter_role::bias); }
    const tensor<float>& x() const { return *in[0]; }
    dim_t channels() const { return x().shape()[3]; }
    dim_t pixels() const { return x().shape()[0] * x().shape()[1] * x().shape()[2]; }

    void operator()(const op::input&) const {}
    void operator()(const op::convolution& c) const {
        product(geometry_of(c, x().shape()), x().data(), weight(), bias(), out.data(), mode.products);
    }
    void operator()(const op::linear& l) const {
        product(geometry_of(l, x().shape()), x().data(), weight(), bias(), out.data(), mode.products);
    }
    void operator()(const op::batch_norm& n) const {
        statistics = uses_batch(n, mode)
                         ? batch_statistics(x().data(), pixels(), channels())
                         : running_statistics(weights.find(node, parameter_role::running_mean),
                                              weights.find(node, parameter_role::running_variance), channels());
        batch_norm(n, statistics, x().data(), pixels(), weight(), bias(), out.data());
    }
    void operator()(const op::relu&) const { relu(x().data(), x().size(), out.data()); }
    void operator()(const op::add&) const { add(in[0]->data(), in[1]->data(), out.size(), out.data()); }
    void operator()(const op::concatenate&) const {
        dim_t to = 0;
        for (const tensor<float>* part : in) {
            const dim_t count = part->shape()[3];
            copy_channels(part->data(), count, 0, out.data(), out.shape()[3], to, pixels(), count);
            to += count;
        }
    }
    void operator()(const op::max_pool& p) const { max_pool(p, x().data(), x().shape(), out.data(), out.shape()); }
    void operator()(const op::average_pool& p) const {
        average_pool(p, x().data(), x().shape(), out.data(), out.shape());
    }
    void operator()(const op::adaptive_average_pool& p) const {
        average_pool(p, x().data(), x().shape(), out.data(), out.shape());
    }
    void operator()(const op::local_response_norm& n) const {
        local_response_norm(n, x().data(), pixels(), channels(), out.data());
    }
    void operator()(const op::dropout& d) const {
        dropout(mode.training ? d : op::dropout{0}, x().data(), x().size(), mode.seed, dropout_stream(node, mode.step),
                out.data());
    }
    void operator()(const op::flatten&) const { copy(); }
    void operator()(const op::padded_shortcut& s) const {
        padded_shortcut(s, x().data(), x().shape(), out.data(), out.shape());
    }
    void copy() const { std::copy(x().begin(), x().end(), out.begin()); }
};

/// The backward pass of one node: from d_out to d_in, one for each input, and the gradients of its parameters. Tensors
/// of d_in that nobody needs are empty.
struct node_backward {
    const network_mode& mode;
    const parameters& weights;
    std::size_t node;
    std::vector<const tensor<float>*> in;
    const tensor<float>& out;
    const norm_statistics& statistics;
    const tensor<float>& d_out;
    std::vector<tensor<float>>& d_in;
    gradients& result;

    /// Where the gradient of a parameter goes, null if it has none.
    float* d_parameter(parameter_role role) const {
        const std::size_t i = weights.place(node, role);
        return i < weights.count() && weights.spec(i).trained ? result.parameters[i].data() : nullptr;
    }
    float* d_x() const { return d_in[0].data(); }
    const tensor<float>& x() const { return *in[0]; }
    dim_t channels() const { return x().shape()[3]; }
    dim_t pixels() const { return x().shape()[0] * x().shape()[1] * x().shape()[2]; }

    void operator()(const op::input&) const {}
    void operator()(const op::convolution& c) const { through(geometry_of(c, x().shape())); }
    void operator()(const op::linear& l) const { through(geometry_of(l, x().shape())); }
    void operator()(const op::batch_norm& n) const {
        batch_norm_gradient(n, statistics, uses_batch(n, mode), x().data(), pixels(),
                            weights.find(node, parameter_role::weight), d_out.data(), d_x(),
                            d_parameter(parameter_role::weight), d_parameter(parameter_role::bias));
    }
    void operator()(const op::add&) const {
        for (tensor<float>& d : d_in)
            if (!d.empty()) std::copy(d_out.begin(), d_out.end(), d.begin());
    }
    void operator()(const op::concatenate&) const {
        dim_t from = 0;
        for (std::size_t i = 0; i < in.size(); ++i) {
            const dim_t count = in[i]->shape()[3];
            if (!d_in[i].empty())
                copy_channels(d_out.data(), d_out.shape()[3], from, d_in[i].data(), count, 0, pixels(), count);
            from += count;
        }
    }
    // The rest has one input and no parameters: without a gradient of the input there is nothing to do.
    template <class Op>
    void operator()(const Op& o) const {
        if (d_x()) through(o);
    }

    void through(const conv_geometry& g) const {
        product_gradient(g, x().data(), weights.find(node, parameter_role::weight), d_out.data(), d_x(),
                         d_parameter(parameter_role::weight), d_parameter(parameter_role::bias), mode.products);
    }
    void through(const op::relu&) const { relu_gradient(out.data(), d_out.data(), out.size(), d_x()); }
    void through(const op::max_pool& p) const {
        max_pool_gradient(p, x().data(), x().shape(), d_out.data(), out.shape(), d_x());
    }
    void through(const op::average_pool& p) const {
        average_pool_gradient(p, x().shape(), d_out.data(), out.shape(), d_x());
    }
    void through(const op::adaptive_average_pool& p) const {
        average_pool_gradient(p, x().shape(), d_out.data(), out.shape(), d_x());
    }
    void through(const op::local_response_norm& n) const {
        local_response_norm_gradient(n, x().data(), pixels(), channels(), d_out.data(), d_x());
    }
    void through(const op::dropout& d) const {
        dropout(mode.training ? d : op::dropout{0}, d_out.data(), out.size(), mode.seed,
                dropout_stream(node, mode.step), d_x());
    }
    void through(const op::flatten&) const { std::copy(d_out.begin(), d_out.end(), d_x()); }
    void through(const op::padded_shortcut& s) const {
        padded_shortcut_gradient(s, x().shape(), d_out.data(), out.shape(), d_x());
    }
};

inline std::vector<const tensor<float>*> inputs_of(const network& net, std::size_t i,
                                                   const std::vector<tensor<float>>& values) {
    std::vector<const tensor<float>*> in;
    for (const std::size_t from : net.nodes[i].inputs) in.push_back(&values[from]);
    return in;
}

} // namespace detail

/// All activations for a batch of images. Throws as infer_shapes does, and value_error if the parameters are those of
/// another network.
inline activations forward(const network& net, const parameters& weights, const tensor<float>& images,
                           const network_mode& mode = {}) {
    const float_environment scope;
    activations run;
    run.shapes = infer_shapes(net, images.shape());
    require<value_error>(weights.specs() == parameter_specs(net), "network: the parameters are those of another one");
    run.statistics.resize(net.nodes.size());
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        tensor<float> out = i == 0 ? images : tensor<float>(run.shapes[i], uninitialized);
        std::visit(
            detail::node_forward{mode, weights, i, detail::inputs_of(net, i, run.values), out, run.statistics[i]},
            net.nodes[i].op);
        run.values.push_back(std::move(out));
    }
    return run;
}

/// The loss of a forward pass: in training the sum over all outputs, each with its weight. `d_outputs`, where it is not
/// null, gets the gradient for each output's logits. Throws value_error for a label that is no class.
inline double loss(const network& net, const activations& run, std::span<const std::int32_t> labels, bool training,
                   std::vector<tensor<float>>* d_outputs = nullptr) {
    const float_environment scope;
    double sum = 0;
    if (d_outputs) d_outputs->assign(net.outputs.size(), {});
    for (std::size_t o = 0; o < net.outputs.size(); ++o) {
        const tensor<float>& logits = run.values[net.outputs[o].node];
        require(logits.shape()[0] == static_cast<dim_t>(labels.size()), "loss: ", labels.size(), " labels for logits ",
                logits.shape());
        const double weight = o == 0 || training ? net.outputs[o].weight : 0;
        if (weight == 0) continue;
        if (d_outputs) (*d_outputs)[o] = tensor<float>(logits.shape());
        sum += weight * softmax_cross_entropy(net.loss, logits.data(), logits.shape()[3], labels,
                                              d_outputs ? (*d_outputs)[o].data() : nullptr, weight);
    }
    return sum;
}

/// The gradients of a scalar from those with respect to each output (empty for none), after a forward pass with the
/// same parameters and mode.
inline gradients backward(const network& net, const parameters& weights, const activations& run,
                          const std::vector<tensor<float>>& d_outputs, const network_mode& mode,
                          bool of_images = false) {
    const float_environment scope;
    gradients result;
    for (const parameter_spec& spec : weights.specs())
        result.parameters.push_back(spec.trained ? tensor<float>(spec.shape) : tensor<float>());

    std::vector<tensor<float>> d(net.nodes.size()); // of each node's output; empty as long as there is none
    const auto add_to = [&](std::size_t node, tensor<float> more) {
        if (d[node].empty())
            d[node] = std::move(more);
        else
            add(d[node].data(), more.data(), more.size(), d[node].data());
    };
    for (std::size_t o = 0; o < d_outputs.size(); ++o)
        if (!d_outputs[o].empty()) add_to(net.outputs[o].node, d_outputs[o]);
    for (std::size_t i = net.nodes.size() - 1; i > 0; --i) {
        if (d[i].empty()) continue;
        std::vector<tensor<float>> d_in;
        for (const std::size_t from : net.nodes[i].inputs)
            d_in.push_back(from > 0 || of_images ? tensor<float>(run.shapes[from], uninitialized) : tensor<float>());
        std::visit(detail::node_backward{mode, weights, i, detail::inputs_of(net, i, run.values), run.values[i],
                                         run.statistics[i], d[i], d_in, result},
                   net.nodes[i].op);
        d[i] = {};
        for (std::size_t j = 0; j < d_in.size(); ++j)
            if (!d_in[j].empty()) add_to(net.nodes[i].inputs[j], std::move(d_in[j]));
    }
    if (of_images) result.images = d[0].empty() ? tensor<float>(run.shapes[0]) : std::move(d[0]);
    return result;
}

/// Moves the running statistics of all batch norms towards those of a forward pass in training.
inline void update_running_statistics(const network& net, const activations& run, parameters& weights) {
    const float_environment scope;
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        const auto* n = std::get_if<op::batch_norm>(&net.nodes[i].op);
        if (!n || n->frozen) continue;
        const extents& s = run.shapes[i];
        move_running_statistics(*n, run.statistics[i], s[0] * s[1] * s[2],
                                weights.find(i, parameter_role::running_mean),
                                weights.find(i, parameter_role::running_variance));
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::nn::reference
