// SPDX-License-Identifier: Apache-2.0

// A network from first weights to ternary inference: described as data, trained with INT16 products in all three
// passes, then turned into 8-bit activations and ternary weights without looking at any image. It tells horizontal from
// vertical stripes in noise.

#include <cstdio>
#include <vector>

#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/train/trainer.hpp"

namespace infer = intaglio::infer;
namespace nn = intaglio::nn;
namespace train = intaglio::train;

/// Image i of a stream: 8 x 8 pixels, 0 .. 1, stripes two pixels apart. Its label is their direction.
std::vector<std::int32_t> draw(intaglio::tensor<float>& images, std::uint64_t stream) {
    std::vector<std::int32_t> labels;
    for (std::ptrdiff_t i = 0; i < images.shape()[0]; ++i) {
        const auto bits = intaglio::random_bits(5, 1000, stream * 1000 + static_cast<std::uint64_t>(i));
        labels.push_back(bits & 1);
        for (std::ptrdiff_t p = 0; p < 64; ++p) {
            const auto along = static_cast<std::uint64_t>(labels.back() ? p % 8 : p / 8) + (bits >> 1);
            images[i * 64 + p] = 0.5F * intaglio::random_uniform(5, stream, static_cast<std::uint64_t>(i * 64 + p)) +
                                 (along & 1 ? 0.2F : 0.0F);
        }
    }
    return labels;
}

int main() {
    nn::network_builder b;
    auto x = b.convolution("conv", b.input(8, 8, 1), {.out_channels = 16, .kernel = 3, .padding = 1, .bias = false});
    x = b.global_average_pool(b.relu(b.batch_norm("norm", x)));
    const nn::network net = b.finish(b.linear("fc", b.flatten(x), {.out_features = 2}));

    nn::parameters first;
    nn::he_initialize(net, first, 1);
    train::trainer<std::int16_t> training(net, 32, first); // <float>: the FP32 baseline
    intaglio::tensor<float> images({32, 8, 8, 1}), test({200, 8, 8, 1});
    for (std::uint64_t step = 1; step <= 100; ++step) {
        const auto labels = draw(images, step);
        training.step(images.span(), labels, 0.1);
    }
    const auto labels = draw(test, 0);
    const auto right = [&](std::span<const float> logits) { // share of the test images
        train::score score;
        score.add(logits, labels);
        return score.accuracy();
    };
    nn::parameters parameters = training.parameters();
    train::plan<std::int16_t> answers(net, test.shape(), parameters);
    answers.forward(test.span(), false);
    const double trained = right(answers.logits());

    const infer::weight_coding three_planes{.family = infer::coding_family::greedy, .planes = 3};
    const infer::conversion small = infer::convert(net, parameters,
                                                   {.input = {{.mean = 0.35F, .deviation = 0.2F, .low = 0, .high = 1}},
                                                    .coding = three_planes,
                                                    .levels = 3,
                                                    .ends_in_bytes = false});
    const infer::integer_network integer(small.network);
    infer::integer_network::workspace memory;
    double planes[3];
    for (int level = 1; level <= 3; ++level) planes[level - 1] = right(integer.run(test, level, memory).span());
    std::printf("INT16 above 95 %%: %s\n", trained > 0.95 ? "yes" : "no");
    std::printf("ternary, 3 planes, above 95 %%: %s\n", planes[2] > 0.95 ? "yes" : "no");
    std::fprintf(stderr, "INT16 %.3f, planes 1, 2, 3: %.3f %.3f %.3f\n", trained, planes[0], planes[1], planes[2]);
    return trained > 0.95 && planes[2] > 0.95 ? 0 : 1;
}

// Prints:
//   INT16 above 95 %: yes
//   ternary, 3 planes, above 95 %: yes
