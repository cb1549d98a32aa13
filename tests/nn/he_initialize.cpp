// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/he_initialize.hpp"

#include <cmath>

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"

namespace intaglio::nn {
namespace {

network residual_pair() {
    network_builder net;
    const auto x = net.input(4, 4, 64);
    auto y = net.convolution("conv1", x, {.out_channels = 128, .kernel = 3, .padding = 1});
    y = net.batch_norm("bn1", y);
    y = net.batch_norm("bn2", net.convolution("conv2", y, {.out_channels = 64, .kernel = {1, 3}, .padding = {0, 1}}));
    y = net.flatten(net.add(y, x));
    return net.finish(net.linear("fc", y, {.out_features = 301}));
}

struct spread {
    double least = 0, most = 0, variance = 0;
};
spread spread_of(const tensor<float>& t) {
    spread s;
    for (const float v : t) {
        s.least = std::min(s.least, static_cast<double>(v));
        s.most = std::max(s.most, static_cast<double>(v));
        s.variance += static_cast<double>(v) * static_cast<double>(v) / static_cast<double>(t.size());
    }
    return s;
}

} // namespace

TEST_CASE("first weights have the variance that is asked for", "[unit]") {
    const network net = residual_pair();
    parameters weights;
    he_initialize(net, weights, 1);
    REQUIRE(spread_of(weights.at("conv1.weight")).variance == Approx(2.0 / (128 * 9)).epsilon(0.02));
    REQUIRE(spread_of(weights.at("conv2.weight")).variance == Approx(2.0 / (64 * 3)).epsilon(0.02));
    REQUIRE(spread_of(weights.at("fc.weight")).variance == Approx(1.0 / 3 / 1024).epsilon(0.02));
    REQUIRE(spread_of(weights.at("fc.weight")).most == Approx(1.0 / 32).epsilon(0.01));
    REQUIRE(spread_of(weights.at("fc.weight")).least == Approx(-1.0 / 32).epsilon(0.01));
    for (const char* name : {"conv1.bias", "conv2.bias", "fc.bias", "bn1.bias", "bn1.running_mean"})
        REQUIRE(spread_of(weights.at(name)).variance == 0);
    REQUIRE(weights.at("bn2.weight")[5] == 1);
    REQUIRE(weights.at("bn2.running_var")[5] == 1);

    he_initialize(net, weights, 1, {.convolution = he_fan_in, .linear = fixed_deviation(0.01), .zero_last_norm = true});
    REQUIRE(spread_of(weights.at("conv1.weight")).variance == Approx(2.0 / (64 * 9)).epsilon(0.02));
    REQUIRE(spread_of(weights.at("fc.weight")).variance == Approx(1e-4).epsilon(0.02));
    REQUIRE(weights.at("bn1.weight")[5] == 1);
    REQUIRE(weights.at("bn2.weight")[5] == 0); // the branch ends there
}

TEST_CASE("first weights depend on the seed and the tensor alone", "[exact]") {
    const network net = residual_pair();
    parameters one, two, other;
    thread_pool pool(3);
    he_initialize(net, one, 7);
    he_initialize(net, two, 7, {}, pool);
    he_initialize(net, other, 8);
    for (std::size_t p = 0; p < one.count(); ++p) REQUIRE(std::equal(one[p].begin(), one[p].end(), two[p].begin()));
    REQUIRE(one.at("fc.weight")[0] != other.at("fc.weight")[0]);
    REQUIRE(one.at("conv1.weight")[1] != one.at("conv2.weight")[1]);
    // a value has its own place in the sequence: 301 x 1024 is no multiple of a chunk
    const auto words = random_words(7, one.count() - 2, 77000);
    const float range = one.at("fc.weight")[4 * 77000] / (static_cast<float>(words[0] >> 8) * 0x1p-23f - 1);
    REQUIRE(range == Approx(1.0f / 32));
}

} // namespace intaglio::nn
