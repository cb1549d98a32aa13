// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/graphviz.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("the drawing of a network", "[unit]") {
    network_builder net;
    const auto x = net.input(2, 2, 3, "an \"image\"");
    const network built = net.finish(net.global_average_pool(net.add(x, x)));
    REQUIRE(graphviz(built) ==
            "digraph network {\n"
            "    node [shape=box, fontname=\"sans-serif\"];\n"
            "    n0 [label=\"an \\\"image\\\"\\ninput(height=2, width=2, channels=3)\\n2 x 2 x 3\"];\n"
            "    n1 [label=\"add\\nadd\\n2 x 2 x 3\"];\n"
            "    n0 -> n1;\n"
            "    n0 -> n1;\n"
            "    n2 [label=\"global_average_pool\\nadaptive_average_pool\\n1 x 1 x 3\", peripheries=2];\n"
            "    n1 -> n2;\n"
            "}\n");
}

} // namespace intaglio::nn
