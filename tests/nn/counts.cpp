// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/counts.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("what a small network costs, by hand", "[unit]") {
    network_builder net;
    auto x = net.input(8, 8, 4);
    x = net.convolution("conv", x, {.out_channels = 6, .kernel = 3, .stride = 2, .padding = 1, .groups = 2});
    x = net.batch_norm("norm", x);
    const network built = net.finish(net.linear("fc", net.flatten(x), {.out_features = 10, .bias = false}));
    const auto counts = count_nodes(built, {3, 8, 8, 4});
    REQUIRE(counts[0] == network_counts{});
    REQUIRE(counts[1] == network_counts{6 * 9 * 2 + 6, 3 * 16 * 6 * 9 * 2, 3 * 16 * 6});
    REQUIRE(counts[2] == network_counts{12, 0, 3 * 16 * 6});
    REQUIRE(counts[3] == network_counts{});
    REQUIRE(counts[4] == network_counts{960, 3 * 960, 30});
    const network_counts sum = count(built);
    REQUIRE(sum == network_counts{114 + 12 + 960, 16 * 6 * 18 + 960, 96 + 96 + 10});
    REQUIRE(sum.activation_bytes(2) == 404);
}

} // namespace intaglio::nn
