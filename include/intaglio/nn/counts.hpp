// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a network costs, by the usual counts: parameters without running statistics, multiply-adds of convolutions and
// linear layers with those in padding, and the values that its nodes give.

#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct network_counts {
    dim_t parameters = 0;    ///< weights and biases
    dim_t multiply_adds = 0; ///< of one forward pass
    dim_t activations = 0;   ///< values given; a flattened image has none of its own, nor has the input

    /// Memory of the activations in a format of so many bytes a value, if none were reused: 4 for FP32, 2 for INT16.
    dim_t activation_bytes(dim_t bytes_per_value) const { return checked_product({activations, bytes_per_value}); }

    network_counts& operator+=(const network_counts& other) {
        parameters += other.parameters;
        multiply_adds += other.multiply_adds;
        activations += other.activations;
        return *this;
    }
    friend bool operator==(const network_counts&, const network_counts&) = default;
};

/// For each node what it costs on `images` (shapes.hpp). Throws as infer_shapes does.
inline std::vector<network_counts> count_nodes(const network& net, const extents& images) {
    const std::vector<extents> shapes = infer_shapes(net, images);
    std::vector<network_counts> counts(net.nodes.size());
    for (const parameter_spec& spec : parameter_specs(net))
        if (spec.role == parameter_role::weight || spec.role == parameter_role::bias)
            counts[spec.node].parameters += spec.shape.size();
    for (std::size_t i = 1; i < net.nodes.size(); ++i) {
        const node& n = net.nodes[i];
        const extents& in = shapes[n.inputs.front()];
        if (const auto* c = std::get_if<op::convolution>(&n.op))
            counts[i].multiply_adds = geometry_of(*c, in).macs();
        else if (const auto* l = std::get_if<op::linear>(&n.op))
            counts[i].multiply_adds = geometry_of(*l, in).macs();
        if (!std::holds_alternative<op::flatten>(n.op)) counts[i].activations = shapes[i].size();
    }
    return counts;
}

/// The sum over all nodes, on a batch of images of the size that the network is meant for.
inline network_counts count(const network& net, dim_t batch = 1) {
    network_counts sum;
    for (const network_counts& c : count_nodes(net, image_shape(net, batch))) sum += c;
    return sum;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
