// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/summary.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {
namespace {

network striped() {
    network_builder net;
    auto x = net.input(32, 32, 3);
    x = net.convolution("conv1", x, {.out_channels = 64, .kernel = {3, 1}, .stride = 2, .bias = false});
    x = net.flatten(net.max_pool(x, {.kernel = 3, .stride = {2, 1}}));
    return net.finish(net.linear("fc", x, {.out_features = 10}));
}

} // namespace

TEST_CASE("the table of a network", "[unit]") {
    // clang-format off
    REQUIRE(summary(striped(), {.bits = {0, 2.64, 0, 0, 8}, .activation_bits = 16}) ==
        "layer     operation           output        parameters  multiply-adds  bits\n"
        "input     input               32 x 32 x 3\n"
        "conv1     convolution 3x1 /2  15 x 16 x 64         576        138,240   2.6\n"
        "max_pool  max_pool 3x3 /2x1   7 x 14 x 64\n"
        "flatten   flatten             6272\n"
        "fc        linear              10                62,730         62,720     8\n"
        "total     batch 1                               63,306        200,960     8\n"
        "weights 61.4 KiB, activations 42.3 KiB\n");
    // clang-format on
    REQUIRE_FALSE(summary(striped(), {.batch = 4}).find("batch 4") == std::string::npos);
    REQUIRE(mentions<value_error>([] { summary(striped(), {.bits = {1}}); }, "1", "5"));
}

TEST_CASE("numbers of the table", "[unit]") {
    REQUIRE(detail::with_commas(0) == "0");
    REQUIRE(detail::with_commas(999) == "999");
    REQUIRE(detail::with_commas(1000) == "1,000");
    REQUIRE(detail::with_commas(-25557032) == "-25,557,032");
    REQUIRE(detail::short_number(1.58) == "1.6");
    REQUIRE(detail::short_number(15.96) == "16");
    REQUIRE(detail::bytes_of_bits(8.0 * 1024 * 1536) == "1.5 MiB");
}

} // namespace intaglio::nn
