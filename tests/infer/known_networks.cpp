// SPDX-License-Identifier: Apache-2.0

// Known kinds of networks on small images, with random weights and norms: what comes with other weights is converted,
// and the engine computes what the scalar text says.

#include <cstring>
#include <string>
#include <vector>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/infer/reference.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/squeezenet.hpp"
#include "support/catch.hpp"

namespace intaglio::infer {
namespace {

/// Codings without feedback, whose second moments would take most of the time.
std::vector<convert_options> ways() {
    const std::vector<channel_values> input(3, channel_values{0, 1, -2, 2});
    const weight_coding steps{.feedback = false};
    return {{.input = input, .coding = steps, .size = 2.4, .levels = 2, .noise = 1},
            {.input = input, .coding = {.family = coding_family::greedy, .planes = 2}, .levels = 2, .noise = 1}};
}

void check(const std::string& name, const nn::network& net) {
    CAPTURE(name);
    const nn::parameters weights = random_parameters(net);
    const auto images = random_images(nn::image_shape(net, 1), 7);
    for (const convert_options& how : ways()) {
        const conversion made = convert(net, weights, how);
        const integer_network engine(made.network, {}, weight_memory::small);
        integer_network::workspace memory;
        for (int level = 1; level <= engine.level_count(); ++level) {
            CAPTURE(level);
            const tensor<float> got = engine.run(images, level, memory),
                                expected = reference_logits(made.network, images, level);
            REQUIRE(std::memcmp(got.data(), expected.data(), static_cast<std::size_t>(got.size()) * sizeof(float)) ==
                    0);
        }
    }
}

} // namespace

TEST_CASE("known networks with any weights are converted and run as the scalar text says", "[exact]") {
    check("squeezenet", models::squeezenet({.classes = 1000, .image = 48})); // its last layer has most of the weights
    check("resnet8", models::cifar_resnet(8));
    check("resnet8-b", models::cifar_resnet(8, {.projections = true}));
}

TEST_CASE("larger known networks", "[exact][slow]") {
    check("googlenet", models::googlenet({.classes = 20, .image = 64}));
    check("googlenet with norms", models::googlenet({.classes = 20, .image = 64, .batch_norm = true}));
    check("resnet18", models::resnet(18, {.classes = 20, .image = 64}));
}

} // namespace intaglio::infer
