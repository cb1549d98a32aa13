// SPDX-License-Identifier: Apache-2.0

// Pre-trained networks from files: they load, and answer as PyTorch does. Where the files lie: support/files.hpp.

#include <string>

#include "intaglio/core/parallel.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/nn/reference/network.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

namespace intaglio::models {
namespace {

/// The first `count` images of a file of logits, (u8 - mean) * scale for each channel; and compares what the network
/// makes of them with the logits beside them, a few images at a time.
void require_logits(const nn::network& net, const std::string& name, dim_t count, const float (&mean)[3],
                    const float (&scale)[3]) {
    const std::string file = model_file(name + ".safetensors");
    if (file.empty()) return;
    const nn::parameters weights = io::load_parameters(file, net);
    const auto expected = io::safetensors_file::read(model_file(name + ".reference_logits.safetensors"));
    const tensor<std::uint8_t> pixels = expected.get<std::uint8_t>("input");
    const tensor<float> logits = expected.get<float>("logits");
    const dim_t size = pixels.shape()[2], classes = logits.shape()[1], step = 4;
    thread_pool pool(2);
    tensor<float> got(extents{count, classes}), wanted(got.shape());
    for (dim_t first = 0; first < count; first += step) {
        tensor<float> images(extents{step, 3, size, size});
        for (dim_t i = 0; i < images.size(); ++i) {
            const dim_t c = i / (size * size) % 3;
            images[i] = (static_cast<float>(pixels[first * 3 * size * size + i]) - mean[c]) * scale[c];
        }
        const auto run =
            nn::reference::forward(net, weights, golden::channels_last(images), {.products = {.exec = pool}});
        std::copy_n(run.values[net.outputs[0].node].data(), step * classes, got.data() + first * classes);
    }
    std::copy_n(logits.data(), count * classes, wanted.data());
    CAPTURE(name);
    REQUIRE(golden::difference(got, wanted) <= 1e-3);
}

const float cifar_mean[] = {0.485f * 255, 0.456f * 255, 0.406f * 255},
            cifar_scale[] = {1 / (0.229f * 255), 1 / (0.224f * 255), 1 / (0.225f * 255)};
const float imagenet_mean[] = {123.68f, 116.779f, 103.939f}, imagenet_scale[] = {1, 1, 1};
const resnet_options imagenet_options{.stride_in_first = true, .epsilon = 1e-3};

} // namespace

TEST_CASE("pre-trained networks answer as PyTorch does", "[golden]") {
    require_logits(cifar_resnet(20), "resnet20-cifar10", 64, cifar_mean, cifar_scale);
    require_logits(cifar_resnet(44), "resnet44-cifar10", 32, cifar_mean, cifar_scale);
    require_logits(resnet(50, imagenet_options), "resnet50-imagenet", 4, imagenet_mean, imagenet_scale);
}

TEST_CASE("the pre-trained ResNet-50 on all images with logits", "[golden][slow]") {
    require_logits(resnet(50, imagenet_options), "resnet50-imagenet", 16, imagenet_mean, imagenet_scale);
}

} // namespace intaglio::models
