// SPDX-License-Identifier: Apache-2.0

// A network from first weights to ternary inference: trained with INT16 products in all three passes, then turned into
// 8-bit activations and ternary weights without looking at any image. It tells horizontal from vertical stripes in
// noise.

#include <cstdio>
#include <vector>

#include "intaglio/nn/batch_norm.hpp"
#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/initialize.hpp"
#include "intaglio/nn/integer_network.hpp"
#include "intaglio/nn/pooling.hpp"
#include "intaglio/nn/relu.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/optim/train_step.hpp"

namespace nn = intaglio::nn;

/// Image i of a stream: 8 x 8 pixels, 0 .. 1, stripes two pixels apart. Its label is their direction.
std::vector<std::uint8_t> draw(nn::feature_map& images, std::uint64_t stream) {
    std::vector<std::uint8_t> labels;
    for (std::ptrdiff_t i = 0; i < images.batch(); ++i) {
        const auto bits = intaglio::random_bits(5, 1000, stream * 1000 + static_cast<std::uint64_t>(i));
        labels.push_back(bits & 1);
        for (std::ptrdiff_t p = 0; p < 64; ++p) {
            const auto along = static_cast<std::uint64_t>(labels.back() ? p % 8 : p / 8) + (bits >> 1);
            images.data()[i * 64 + p] =
                0.5F * intaglio::random_uniform(5, stream, static_cast<std::uint64_t>(i * 64 + p)) +
                (along & 1 ? 0.2F : 0.0F);
        }
    }
    return labels;
}

int main() {
    nn::sequential net;
    net.add<nn::conv2d<nn::dfp16_numerics>>(
        "conv", nn::conv2d_shape{.in_channels = 1, .out_channels = 16, .kernel = 3, .padding = 1});
    net.add<nn::batch_norm>("norm", 16);
    net.add<nn::relu>();
    net.add<nn::global_average_pool>();
    net.add<nn::linear<nn::dfp16_numerics>>("fc", 16, 2);
    nn::initialize(net, 1);

    intaglio::optim::sgd optimizer(net.parameters());
    nn::feature_map images({32, 8, 8, 1}), test({200, 8, 8, 1});
    for (std::uint64_t step = 1; step <= 60; ++step) {
        const auto labels = draw(images, step);
        intaglio::optim::train_step(net, images, labels, optimizer, 0.05F);
    }
    const auto labels = draw(test, 0);
    const double trained = intaglio::optim::accuracy(net, test, labels);

    const nn::weight_coding three_planes{nn::weight_coding::family::greedy, 3};
    const nn::integer_network integer(nn::encode(nn::fold(net), {&three_planes, 1}, 1.0F));
    nn::integer_network::workspace memory;
    const auto right = [&](int level) { // share of the test images
        return static_cast<double>(
                   nn::softmax_cross_entropy(integer.run(test, level, memory), labels, nullptr).correct) /
               200;
    };
    std::printf("INT16 above 95 %%: %s\n", trained > 0.95 ? "yes" : "no");
    std::printf("ternary, 3 planes, above 95 %%: %s\n", right(3) > 0.95 ? "yes" : "no");
    std::fprintf(stderr, "INT16 %.3f, planes 1, 2, 3: %.3f %.3f %.3f\n", trained, right(1), right(2), right(3));
    return trained > 0.95 && right(3) > 0.95 ? 0 : 1;
}

// Prints:
//   INT16 above 95 %: yes
//   ternary, 3 planes, above 95 %: yes
