// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/pytorch_layout.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {
namespace {

/// Weights of a convolution, of a linear layer behind an image (through dropout and ReLU), and of one behind a vector.
network three_products() {
    network_builder net;
    auto x = net.input(5, 6, 3);
    x = net.convolution("conv", x, {.out_channels = 4, .kernel = {2, 3}});
    x = net.relu(net.dropout(net.flatten(net.max_pool(x, {.kernel = 2})), 0.5));
    x = net.linear("first", x, {.out_features = 7});
    return net.finish(net.linear("second", net.relu(x), {.out_features = 2}));
}

} // namespace

TEST_CASE("how PyTorch stores parameters", "[unit]") {
    const network net = three_products();
    const auto layouts = pytorch_layouts(net);
    REQUIRE(layouts ==
            std::vector<pytorch_layout>{
                {{4, 3, 2, 3}, 3, 6}, {{4}, 1, 1}, {{7, 16}, 4, 4}, {{7}, 1, 1}, {{2, 7}, 7, 1}, {{2}, 1, 1}});
}

TEST_CASE("channels move behind pixels and back", "[exact]") {
    const network net = three_products();
    const auto layouts = pytorch_layouts(net);
    const auto specs = parameter_specs(net);
    for (std::size_t p = 0; p < specs.size(); ++p) {
        tensor<float> stored(layouts[p].shape);
        for (dim_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<float>(i);
        const tensor<float> ours = from_pytorch(stored, layouts[p], specs[p]);
        REQUIRE(ours.shape() == specs[p].shape);
        if (p == 0) { // (o, r, s, c) from (o, c, r, s)
            REQUIRE(ours[((2 * 2 + 1) * 3 + 2) * 3 + 1] == stored[((2 * 3 + 1) * 2 + 1) * 3 + 2]);
        } else if (p == 2) { // (o, y, x, c) from (o, c, y, x), 2 x 2 pixels of 4 channels
            REQUIRE(ours[5 * 16 + 2 * 4 + 3] == stored[5 * 16 + 3 * 4 + 2]);
        }
        const tensor<float> back = to_pytorch(ours, layouts[p], specs[p]);
        REQUIRE(back.shape() == stored.shape());
        REQUIRE(std::equal(back.begin(), back.end(), stored.begin()));
        REQUIRE(mentions<shape_error>(
            [&] {
                from_pytorch(tensor<float>(extents{1, 2}), layouts[p], specs[p]);
            },
            specs[p].name, "1 x 2"));
        REQUIRE(mentions<shape_error>(
            [&] {
                to_pytorch(tensor<float>(extents{1, 2}), layouts[p], specs[p]);
            },
            specs[p].name, "1 x 2"));
    }
}

} // namespace intaglio::nn
