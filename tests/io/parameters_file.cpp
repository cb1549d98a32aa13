// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/parameters_file.hpp"

#include <cstring>

#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

nn::network two_layers() {
    nn::network_builder net;
    auto x = net.input(4, 4, 3);
    x = net.batch_norm("norm", net.convolution("conv", x, {.out_channels = 2, .kernel = 3}));
    return net.finish(net.linear("fc", net.flatten(x), {.out_features = 5}));
}

} // namespace

TEST_CASE("parameters come back from a file as they were", "[exact]") {
    const temporary_folder folder;
    const nn::network net = models::cifar_resnet(20, {.projections = true});
    nn::parameters weights;
    nn::he_initialize(net, weights, 3);
    for (std::size_t p = 0; p < weights.count(); ++p) weights[p][0] += 1;
    save_parameters(folder.file("net.safetensors"), net, weights);
    const nn::parameters read = load_parameters(folder.file("net.safetensors"), net);
    REQUIRE(read.specs() == weights.specs());
    for (std::size_t p = 0; p < weights.count(); ++p)
        REQUIRE(std::memcmp(read[p].data(), weights[p].data(), static_cast<std::size_t>(weights[p].size()) * 4) == 0);
    const auto file = safetensors_file::read(folder.file("net.safetensors"));
    REQUIRE(file.get<float>("layer2.0.shortcut.0.weight").shape() == extents{32, 16, 1, 1}); // as PyTorch has it
    REQUIRE(file.get<float>("conv1.weight").shape() == extents{16, 3, 3, 3});
}

TEST_CASE("files that don't fit the network are refused with both sides", "[unit]") {
    const temporary_folder folder;
    const nn::network net = two_layers();
    const std::string path = folder.file("net.safetensors");
    const auto written = [&](const std::string& left_out, const std::string& added, const extents& shape) {
        safetensors_writer all;
        const nn::parameters weights(net);
        const auto layouts = nn::pytorch_layouts(net);
        for (std::size_t p = 0; p < weights.count(); ++p)
            if (weights.spec(p).name != left_out) all.add<float>(weights.spec(p).name, tensor<float>(layouts[p].shape));
        if (!added.empty()) all.add<float>(added, tensor<float>(shape));
        all.write(path);
        return [&net, path] { load_parameters(path, net); };
    };
    REQUIRE_NOTHROW(written("", "norm.num_batches_tracked", {1})());
    REQUIRE(mentions<file_error>(written("conv.bias", "", {}), path, "lacks 1", "conv.bias"));
    REQUIRE(mentions<file_error>(written("", "fc2.bias", {1}), path, "has 1 that the network lacks", "fc2.bias"));
    REQUIRE(mentions<file_error>(written("fc.bias", "fc.gamma", {1}), "lacks 1", "fc.bias", "fc.gamma"));
    REQUIRE(mentions<file_error>(written("fc.weight", "fc.weight", {5, 7}), path, "'fc.weight' is 5 x 7",
                                 "expected 5 x 8"));
    REQUIRE(mentions<file_error>(written("fc.weight", "fc.weight", {8, 5}), "8 x 5")); // the same size does not do
    written("", "fc2.bias", {1});
    REQUIRE_NOTHROW(load_parameters(path, net, {.allow_more = true}));
    REQUIRE_THROWS_AS(load_parameters(folder.file("none.safetensors"), net), file_error);
    REQUIRE(mentions<value_error>([&] { save_parameters(path, net, nn::parameters(models::cifar_resnet(20))); },
                                  "another network"));
    REQUIRE(detail::first_names({"a", "b", "c", "d", "e", "f", "g"}) == "a, b, c, d, e and 2 more");
}

} // namespace intaglio::io
