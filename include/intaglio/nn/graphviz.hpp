// SPDX-License-Identifier: Apache-2.0
#pragma once

// A network as a drawing, in the language of Graphviz: `dot -Tsvg net.dot > net.svg`. A box for each node with its
// name, operation and output shape, an arrow for each input; outputs have a double border.

#include <algorithm>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// The text of the drawing, for a batch of one. Throws as infer_shapes does.
inline std::string graphviz(const network& net) {
    const auto quoted = [](const std::string& text) {
        std::string safe = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') safe += '\\';
            if (c == '\n')
                safe += "\\n";
            else
                safe += c;
        }
        return safe + '"';
    };
    const std::vector<extents> shapes = infer_shapes(net, 1);
    std::string text = "digraph network {\n    node [shape=box, fontname=\"sans-serif\"];\n";
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        const node& n = net.nodes[i];
        const extents& s = shapes[i];
        const bool output =
            std::any_of(net.outputs.begin(), net.outputs.end(), [&](const network_output& o) { return o.node == i; });
        text +=
            join("    n", i, " [label=", quoted(join(n.name, '\n', describe(n.op), '\n', extents{s[1], s[2], s[3]})),
                 output ? ", peripheries=2" : "", "];\n");
        for (const std::size_t from : n.inputs) text += join("    n", from, " -> n", i, ";\n");
    }
    return text + "}\n";
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
