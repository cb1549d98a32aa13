// SPDX-License-Identifier: Apache-2.0
#pragma once

// A network is data: nodes in topological order, each an operation, the nodes that it reads, and a name. It has no
// weights (parameters.hpp), no number format and no batch size. Everything else reads this value: shapes and counts,
// the printed summary, the plans that train it, folding and encoding for integer inference, the files.
//
//   node  name          operation                inputs
//   0     input         input(224, 224, 3)
//   1     conv1         convolution(3 -> 64 ..)  0
//   2     bn1           batch_norm(64)           1
//   3     relu          relu                     2
//   ...
//
// Build one with network_builder.hpp, which checks each node as it is added; a network that was made or changed by hand
// is checked by infer_shapes (shapes.hpp), which every reader calls first.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/nn/operations.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct node {
    operation op;
    std::vector<std::size_t> inputs; ///< earlier nodes
    std::string name;                ///< unique in its network; the prefix of its parameters' names, "layer1.0.conv1"

    friend bool operator==(const node&, const node&) = default;
};

/// A classifier at the end of a network, or on the way: its logits, and the share of its loss in that of the network.
struct network_output {
    std::size_t node = 0;
    double weight = 1;

    friend bool operator==(const network_output&, const network_output&) = default;
};

/// A value: copied, compared, changed like any struct.
struct network {
    std::vector<node> nodes;             ///< the first is the input
    std::vector<network_output> outputs; ///< the first is the network's; others are auxiliary, for training alone
    op::softmax_cross_entropy loss;      ///< of each output

    friend bool operator==(const network&, const network&) = default;
};

/// The node of that name. Throws value_error if there is none.
inline std::size_t find_node(const network& net, std::string_view name) {
    const auto found = std::find_if(net.nodes.begin(), net.nodes.end(), [&](const node& n) { return n.name == name; });
    require<value_error>(found != net.nodes.end(), "network: has no node '", name, "'");
    return static_cast<std::size_t>(found - net.nodes.begin());
}

/// For each node those that read it, ascending; twice if they read it twice.
inline std::vector<std::vector<std::size_t>> readers(const network& net) {
    std::vector<std::vector<std::size_t>> lists(net.nodes.size());
    for (std::size_t i = 0; i < net.nodes.size(); ++i)
        for (const std::size_t from : net.nodes[i].inputs) lists.at(from).push_back(i);
    return lists;
}

/// The network that answers: without auxiliary outputs, dropout, and whatever the first output does not depend on.
/// Nodes keep their names, so parameters still fit; those of auxiliary classifiers are superfluous then.
inline network evaluation_part(const network& net) {
    require<value_error>(!net.outputs.empty(), "network: has no output");
    std::vector<char> needed(net.nodes.size(), 0);
    needed.at(net.outputs.front().node) = needed.at(0) = 1;
    for (std::size_t i = net.nodes.size(); i-- > 0;)
        if (needed[i])
            for (const std::size_t from : net.nodes[i].inputs) needed.at(from) = 1;
    network part;
    part.loss = net.loss;
    std::vector<std::size_t> place(net.nodes.size()); // in `part`
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        if (!needed[i]) continue;
        node n = net.nodes[i];
        for (std::size_t& from : n.inputs) from = place[from];
        if (std::holds_alternative<op::dropout>(n.op)) {
            place[i] = n.inputs.at(0);
            continue;
        }
        place[i] = part.nodes.size();
        part.nodes.push_back(std::move(n));
    }
    part.outputs = {{place[net.outputs.front().node], 1}};
    return part;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
