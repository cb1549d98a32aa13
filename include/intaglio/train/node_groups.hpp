// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which nodes of a network pass over memory together: a group becomes one unit of a plan.
//
//   convolution or linear (+ relu)
//   batch norm (+ add) (+ relu)       the add waits for its other input, so the group works where its last node stands
//   add (+ relu)
//   any other node alone
//
// A node joins only if nobody else reads what stands before it, and it is no output of the network.

#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "intaglio/nn/network.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct node_group {
    std::size_t head = 0;             ///< whose work it is
    std::optional<std::size_t> sum{}; ///< the add behind a batch norm
    std::size_t tail = 0;             ///< whose output is stored

    bool is_rectified(const nn::network& net) const { return std::holds_alternative<nn::op::relu>(net.nodes[tail].op); }
};

/// All nodes but the input, each in one group, in an order in which they can be computed.
inline std::vector<node_group> group_nodes(const nn::network& net) {
    const auto readers = nn::readers(net);
    std::vector<char> is_output(net.nodes.size(), 0), taken(net.nodes.size(), 0);
    for (const nn::network_output& o : net.outputs) is_output[o.node] = 1;
    // the only reader, if there is one, of the kind asked for, and free
    const auto only_reader = [&]<class Kind>(std::size_t node, std::type_identity<Kind>) -> std::optional<std::size_t> {
        if (readers[node].size() != 1 || is_output[node]) return std::nullopt;
        const std::size_t reader = readers[node][0];
        if (taken[reader] || !std::holds_alternative<Kind>(net.nodes[reader].op)) return std::nullopt;
        return reader;
    };
    std::vector<std::optional<node_group>> ends(net.nodes.size()); // by tail
    for (std::size_t i = 1; i < net.nodes.size(); ++i) {
        if (taken[i]) continue;
        const nn::operation& op = net.nodes[i].op;
        node_group g{.head = i, .tail = i};
        if (std::holds_alternative<nn::op::batch_norm>(op)) {
            g.sum = only_reader(i, std::type_identity<nn::op::add>{});
            if (g.sum) taken[g.tail = *g.sum] = 1;
        }
        if (std::holds_alternative<nn::op::convolution>(op) || std::holds_alternative<nn::op::linear>(op) ||
            std::holds_alternative<nn::op::batch_norm>(op) || std::holds_alternative<nn::op::add>(op))
            if (const auto relu = only_reader(g.tail, std::type_identity<nn::op::relu>{})) taken[g.tail = *relu] = 1;
        ends[g.tail] = g;
    }
    std::vector<node_group> groups;
    for (const auto& g : ends)
        if (g) groups.push_back(*g);
    return groups;
}

} // namespace intaglio::inline INTAGLIO_ABI::train
