// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/integer_network.hpp"

#include <cmath>
#include <vector>

#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/accounting.hpp"
#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/initialize.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

// The whole way from a network to integers: fold, encode, run, weigh.

namespace intaglio::nn {
namespace {

constexpr float image_range = 255.0f / 16;

feature_map random_images(dim_t count) {
    feature_map images({count, 8, 8, 1});
    for (dim_t i = 0; i < images.size(); ++i)
        images.data()[i] = static_cast<float>(random_below(17, 2, 3, static_cast<std::uint64_t>(i))) / 16;
    return images;
}

/// Random weights, and running statistics that fit them: what training leaves behind, without its time.
sequential calibrated_network() {
    sequential net = models::digits_cnn<fp32_numerics>();
    initialize(net, 4);
    std::uint64_t stream = 100;
    for (parameter* p : net.parameters())
        if (p->name.find("norm") == 0 && p->trained)
            for (float& v : p->value) v += 0.5f * random_uniform(4, ++stream, 0) - 0.25f;
    const auto images = random_images(16);
    for (int i = 0; i < 40; ++i) net.forward(images, {.training = true});
    return net;
}

/// Root mean square difference as a share of the root mean square of `expected`.
double distance(const feature_map& result, const feature_map& expected) {
    double error = 0, power = 0;
    for (dim_t i = 0; i < expected.size(); ++i) {
        const double e = static_cast<double>(expected.data()[i]), d = static_cast<double>(result.data()[i]) - e;
        error += d * d;
        power += e * e;
    }
    return std::sqrt(error / power);
}

using family = weight_coding::family;

} // namespace

TEST_CASE("what is not finite is named instead of folded or run", "[unit]") {
    sequential net = calibrated_network();
    const integer_network runner(encode(fold(net), std::vector{weight_coding{}}, image_range));
    integer_network::workspace memory;
    auto images = random_images(2);
    images.data()[70] = std::nanf("");
    REQUIRE(mentions<value_error>([&] { runner.run(images, 1, memory); }, "images", "element 70", "NaN"));
    for (parameter* p : net.parameters()) {
        if (p->name.find("norm2") != 0) continue;
        CAPTURE(p->name);
        const float kept = p->value[3];
        p->value[3] = p->trained ? std::nanf("") : -1000; // a negative variance has no root
        if (p->name != "norm2.running_mean") REQUIRE(mentions<value_error>([&] { fold(net); }, "channel 3", "conv2"));
        p->value[3] = kept;
    }
}

TEST_CASE("integers follow the network, closer with each plane", "[unit]") {
    sequential net = calibrated_network();
    const auto images = random_images(32);
    const feature_map expected = net.forward(images, {});
    const folded_network folded = fold(net);
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
    const folded_network folded = fold(calibrated_network());
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
            REQUIRE(a.data()[i] == b.data()[i]);
            REQUIRE(a.data()[i] == c.data()[i]);
        }
    }
    REQUIRE_THROWS_AS(all.run(images, 0, memory), value_error);
    REQUIRE_THROWS_AS(all.run(images, 4, memory), value_error);
}

TEST_CASE("one image alone gives what it gives in a batch", "[exact]") {
    const integer_network net(
        encode(fold(calibrated_network()), std::vector{weight_coding{family::locked, 2}}, image_range));
    const auto images = random_images(3);
    integer_network::workspace memory;
    const auto batch = net.run(images, 1, memory);
    for (dim_t i = 0; i < 3; ++i) {
        feature_map one({1, 8, 8, 1});
        std::copy_n(images.data() + i * 64, 64, one.data());
        const auto alone = net.run(one, 1, memory);
        for (dim_t c = 0; c < 10; ++c) REQUIRE(alone.data()[c] == batch.data()[i * 10 + c]);
    }
    REQUIRE(net.run(feature_map({0, 8, 8, 1}), 1, memory).size() == 0);
}

TEST_CASE("folding refuses what it can't fold, naming the layer", "[unit]") {
    sequential no_norm;
    no_norm.add<conv2d<fp32_numerics>>("stem", conv2d_shape{.in_channels = 1, .out_channels = 2});
    no_norm.add<relu>();
    REQUIRE_THROWS_AS(fold(no_norm), value_error);
    sequential bare;
    bare.add<conv2d<fp32_numerics>>("stem", conv2d_shape{.in_channels = 1, .out_channels = 2});
    bare.add<global_average_pool>();
    REQUIRE(mentions<value_error>([&] { fold(bare); }, "stem"));
    sequential orphan;
    orphan.add<batch_norm>("norm7", 3);
    REQUIRE(mentions<value_error>([&] { fold(orphan); }, "norm7"));
}

TEST_CASE("codings that do not fit are refused", "[unit]") {
    const folded_network folded = fold(models::digits_cnn<fp32_numerics>());
    REQUIRE(mentions<value_error>([&] { encode(folded, std::vector<weight_coding>(4), image_range); },
                                  "4 codings for 5 layers"));
    REQUIRE_THROWS_AS(encode(folded, std::vector{weight_coding{family::greedy, 4}}, image_range), value_error);
    REQUIRE_THROWS_AS(encode(folded, std::vector{weight_coding{}}, 0.0f), value_error);
    REQUIRE_NOTHROW(encode(folded, std::vector{weight_coding{family::locked, 2}}, image_range)); // all weights are zero
}

TEST_CASE("what a network costs", "[unit]") {
    const folded_network folded = fold(models::digits_cnn<fp32_numerics>());
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
