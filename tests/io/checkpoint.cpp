// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/checkpoint.hpp"

#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/initialize.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {

TEST_CASE("parameters and running statistics survive a file", "[exact]") {
    const temporary_folder folder;
    // the file is the same for both
    nn::sequential saved = models::digits_cnn<nn::fp32_numerics>(), loaded = models::digits_cnn<nn::dfp16_numerics>();
    nn::initialize(saved, 5);
    float next = 0;
    for (nn::parameter* p : saved.parameters())
        if (!p->trained)
            for (float& v : p->value) v = next += 0.25f;
    save_parameters(saved, folder.file("net"));
    load_parameters(loaded, folder.file("net"));
    const auto a = saved.parameters(), b = loaded.parameters();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        REQUIRE(a[i]->name == b[i]->name);
        REQUIRE(std::equal(a[i]->value.begin(), a[i]->value.end(), b[i]->value.begin()));
    }
}

TEST_CASE("a file that does not fit leaves the network as it was", "[unit]") {
    const temporary_folder folder;
    nn::sequential small, large;
    small.add<nn::conv2d<nn::fp32_numerics>>("conv", nn::conv2d_shape{.in_channels = 1, .out_channels = 2});
    large.add<nn::conv2d<nn::fp32_numerics>>("conv", nn::conv2d_shape{.in_channels = 1, .out_channels = 2});
    large.add<nn::batch_norm>("norm", 2);
    nn::initialize(small, 1);
    save_parameters(small, folder.file("net"));
    REQUIRE(mentions<file_error>([&] { load_parameters(large, folder.file("net")); }, "net", "norm.weight"));
    REQUIRE(large.parameters()[0]->value[0] == 0);
}

} // namespace intaglio::io
