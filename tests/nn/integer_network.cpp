// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/integer_network.hpp"

#include <cmath>
#include <vector>

#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/accounting.hpp"
#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/nn/reference/network.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

// The whole way from a network to integers: fold, encode, run, weigh.

namespace intaglio::nn {
namespace {

constexpr float image_range = 255.0f / 16;

tensor<float> random_images(dim_t count) {
    tensor<float> images({count, 8, 8, 1});
    for (dim_t i = 0; i < images.size(); ++i)
        images[i] = static_cast<float>(random_below(17, 2, 3, static_cast<std::uint64_t>(i))) / 16;
    return images;
}

struct weighted_network {
    network net;
    parameters weights;

    folded_network folded() const { return fold(net, weights); }
};

weighted_network untrained_network() {
    weighted_network n{models::digits_cnn(), {}};
    n.weights = parameters(n.net);
    return n;
}

/// Random weights, and running statistics that fit them: what training leaves behind, without its time.
weighted_network calibrated_network() {
    weighted_network n{models::digits_cnn(), {}};
    he_initialize(n.net, n.weights, 4);
    std::uint64_t stream = 100;
    for (std::size_t i = 0; i < n.weights.count(); ++i)
        if (const parameter_spec& spec = n.weights.spec(i); spec.name.find("norm") == 0 && spec.trained)
            for (float& v : n.weights[i]) v += 0.5f * random_uniform(4, ++stream, 0) - 0.25f;
    for (node& layer : n.net.nodes)
        if (auto* norm = std::get_if<op::batch_norm>(&layer.op)) norm->momentum = 1; // takes those of one batch
    const auto run = reference::forward(n.net, n.weights, random_images(16), {.training = true});
    reference::update_running_statistics(n.net, run, n.weights);
    return n;
}

/// Root mean square difference as a share of the root mean square of `expected`.
double distance(const tensor<float>& result, const tensor<float>& expected) {
    double error = 0, power = 0;
    for (dim_t i = 0; i < expected.size(); ++i) {
        const double e = static_cast<double>(expected[i]), d = static_cast<double>(result[i]) - e;
        error += d * d;
        power += e * e;
    }
    return std::sqrt(error / power);
}

using family = weight_coding::family;

} // namespace

TEST_CASE("what is not finite is named instead of folded or run", "[unit]") {
    weighted_network net = calibrated_network();
    const integer_network runner(encode(net.folded(), std::vector{weight_coding{}}, image_range));
    integer_network::workspace memory;
    auto images = random_images(2);
    images[70] = std::nanf("");
    REQUIRE(mentions<value_error>([&] { runner.run(images, 1, memory); }, "images", "element 70", "NaN"));
    for (std::size_t i = 0; i < net.weights.count(); ++i) {
        const parameter_spec& spec = net.weights.spec(i);
        if (spec.name.find("norm2") != 0) continue;
        CAPTURE(spec.name);
        float& value = net.weights[i][3];
        const float kept = value;
        value = spec.role == parameter_role::running_variance ? -1000 : std::nanf(""); // that has no root
        REQUIRE(mentions<value_error>([&] { net.folded(); }, "channel 3", "conv2"));
        value = kept;
    }
}

TEST_CASE("integers follow the network, closer with each plane", "[unit]") {
    const weighted_network net = calibrated_network();
    const auto images = random_images(32);
    const tensor<float> expected = reference::forward(net.net, net.weights, images).values.back();
    const folded_network folded = net.folded();
    integer_network::workspace memory;
    const auto error = [&](weight_coding coding, int level) {
        const integer_network integer(encode(folded, std::vector{coding}, image_range));
        return distance(integer.run(images, level, memory), expected);
    };
    const double bytes = error({family::int8, 1}, 1);
    const double one = error({family::greedy, 3}, 1), two = error({family::greedy, 3}, 2),
                 three = error({family::greedy, 3}, 3);
    const double locked_two = error({family::locked, 2}, 1), locked_three = error({family::locked, 3}, 1);
    CAPTURE(bytes, one, two, three, locked_two, locked_three);
    REQUIRE(bytes < 0.06); // mostly the average pool, whose 8-bit outputs use a small part of their range
    REQUIRE(three < two);
    REQUIRE(two < one);
    REQUIRE(locked_two < two);
    REQUIRE(locked_three < three);
    REQUIRE(locked_three < 0.1);
}

TEST_CASE("the dial: a level of three planes is the network of fewer planes, bit for bit on any number of threads",
          "[exact]") {
    const folded_network folded = calibrated_network().folded();
    const auto images = random_images(5);
    const coded_network coded = encode(folded, std::vector{weight_coding{family::greedy, 3}}, image_range);
    const integer_network all(coded);
    REQUIRE(all.levels() == 3);
    integer_network::workspace memory;
    thread_pool pool(3);
    for (int level = 1; level <= 3; ++level) {
        coded_network fewer = coded;
        for (auto& stage : fewer.stages)
            if (auto* conv = std::get_if<coded_conv>(&stage)) {
                const auto& from = std::get<ternary_tensor>(conv->weights);
                ternary_tensor prefix(level, from.rows(), from.cols(), from.block());
                std::copy_n(from.trits(), level * from.plane_stride(), prefix.trits());
                std::copy_n(from.scales(), level * from.rows() * from.blocks(), prefix.scales());
                prefix.set_factor(from.factor());
                conv->weights = prefix;
            }
        const integer_network cut(fewer);
        REQUIRE(cut.levels() == level);
        const auto a = all.run(images, level, memory), b = cut.run(images, level, memory),
                   c = all.run(images, level, memory, pool);
        for (dim_t i = 0; i < a.size(); ++i) {
            REQUIRE(a[i] == b[i]);
            REQUIRE(a[i] == c[i]);
        }
    }
    REQUIRE_THROWS_AS(all.run(images, 0, memory), value_error);
    REQUIRE_THROWS_AS(all.run(images, 4, memory), value_error);
}

TEST_CASE("one image alone gives what it gives in a batch", "[exact]") {
    const integer_network net(
        encode(calibrated_network().folded(), std::vector{weight_coding{family::locked, 2}}, image_range));
    const auto images = random_images(3);
    integer_network::workspace memory;
    const auto batch = net.run(images, 1, memory);
    for (dim_t i = 0; i < 3; ++i) {
        tensor<float> one({1, 8, 8, 1});
        std::copy_n(images.data() + i * 64, 64, one.data());
        const auto alone = net.run(one, 1, memory);
        for (dim_t c = 0; c < 10; ++c) REQUIRE(alone[c] == batch[i * 10 + c]);
    }
    REQUIRE(net.run(tensor<float>({0, 8, 8, 1}), 1, memory).size() == 0);
}

TEST_CASE("folding refuses what it can't fold, naming the layer", "[unit]") {
    using value = network_builder::value;
    const auto refused = [](const auto& layers, const char* node, const char* reason) {
        network_builder b;
        const network net = b.finish(b.flatten(layers(b, b.input(4, 4, 2))));
        return mentions<value_error>([&] { fold(net, parameters(net)); }, node, reason);
    };
    const auto block = [](network_builder& b, value x) {
        return b.relu(b.batch_norm("norm", b.convolution("stem", x, {.out_channels = 2})));
    };
    CHECK(refused([](auto& b, value x) { return b.relu(b.convolution("stem", x, {.out_channels = 2}), "act"); }, "act",
                  "batch norm"));
    CHECK(refused([](auto& b, value x) { return b.global_average_pool(b.convolution("stem", x, {.out_channels = 2})); },
                  "stem", "hidden"));
    CHECK(refused([](auto& b, value x) { return b.batch_norm("norm7", x); }, "norm7", "convolution"));
    CHECK(refused([&](auto& b, value x) { return b.add(block(b, x), x, "sum"); }, "sum", "chains"));
    CHECK(refused(
        [&](auto& b, value x) {
            return b.convolution("wide", x, {.out_channels = 2, .kernel = {1, 3}});
        },
        "wide", "square"));
    CHECK(refused([&](auto& b, value x) { return b.convolution("split", x, {.out_channels = 2, .groups = 2}); },
                  "split", "groups"));
    CHECK(refused([&](auto& b, value x) { return b.max_pool(block(b, x), {.kernel = 3, .padding = 1}, "pool"); },
                  "pool", "square windows within"));
    CHECK(refused([&](auto& b, value x) { return b.average_pool(block(b, x), {.kernel = 2}, "mean"); }, "mean",
                  "average_pool"));
    CHECK(refused([&](auto& b, value x) { return block(b, x); }, "flatten", "4 x 4 pixels"));
    const weighted_network digits = untrained_network();
    CHECK(mentions<value_error>([&] { fold(digits.net, parameters()); }, "conv1.weight"));
}

TEST_CASE("codings that do not fit are refused", "[unit]") {
    const folded_network folded = untrained_network().folded();
    REQUIRE(mentions<value_error>([&] { encode(folded, std::vector<weight_coding>(4), image_range); },
                                  "4 codings for 5 layers"));
    REQUIRE_THROWS_AS(encode(folded, std::vector{weight_coding{family::greedy, 4}}, image_range), value_error);
    REQUIRE_THROWS_AS(encode(folded, std::vector{weight_coding{}}, 0.0f), value_error);
    REQUIRE_NOTHROW(encode(folded, std::vector{weight_coding{family::locked, 2}}, image_range)); // all weights are zero
}

TEST_CASE("what a network costs", "[unit]") {
    const folded_network folded = untrained_network().folded();
    const auto of = [&](weight_coding coding, int level) {
        return cost(encode(folded, std::vector{coding}, image_range), level, 8, 8);
    };
    const dim_t weights = 9 * 32 + 288 * 64 + 576 * 64 + 576 * 128 + 128 * 10;
    const dim_t channels = 32 + 64 + 64 + 128 + 10;
    const dim_t multiply_adds = 64 * (9 * 32 + 288 * 64) + 16 * (576 * 64 + 576 * 128) + 1280;
    const network_cost bytes = of({family::int8, 1}, 1);
    REQUIRE(bytes.weights == weights);
    REQUIRE(bytes.weight_bytes == weights + 4 * channels);
    REQUIRE(bytes.bytes == weights + 12 * channels);
    REQUIRE(bytes.multiply_adds == multiply_adds);
    REQUIRE(bytes.multiplications == multiply_adds + 64 * (32 + 64) + 16 * (64 + 128) + 10);

    const network_cost one = of({family::greedy, 3}, 1), three = of({family::greedy, 3}, 3),
                       locked = of({family::locked, 3}, 1);
    REQUIRE(one.planes_per_weight() == 1);
    REQUIRE(three.planes_per_weight() == 3);
    REQUIRE(locked.planes_per_weight() == 3);
    REQUIRE(three.bits_per_weight() == Approx(3 * (1.6 + 8.0 / 64)).epsilon(0.01));
    REQUIRE(locked.bits_per_weight() == Approx(3 * 1.6 + 8.0 / 64).epsilon(0.01));
    REQUIRE(three.multiplications == locked.multiplications);
}

TEST_CASE("the range of activations", "[unit]") {
    const float scale[] = {1, -2, 0}, shift[] = {1, 0, 5};
    REQUIRE(activation_range(scale, shift) == 12);
    REQUIRE(activation_range(scale, shift, 1) == 5);
    const float dead[] = {-100, -100, -100};
    REQUIRE(activation_range(scale, dead) == 1);
}

} // namespace intaglio::nn
