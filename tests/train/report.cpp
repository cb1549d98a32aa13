// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/report.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/conv/reference.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/train/plan.hpp"
#include "support/catch.hpp"

namespace intaglio::train {
namespace {

const tensor_report& row_of(const step_report& report, const std::string& node, tensor_role role) {
    const auto found = std::find_if(report.rows().begin(), report.rows().end(),
                                    [&](const tensor_report& r) { return r.node == node && r.role == role; });
    REQUIRE(found != report.rows().end());
    return *found;
}

/// 1 x 1 convolutions of images of so many channels, a rectifier between them, and two classes.
nn::network two_convolutions(dim_t channels) {
    nn::network_builder b;
    auto x = b.input(3, 3, channels);
    x = b.relu(b.convolution("conv1", x, {.out_channels = channels, .bias = false}));
    x = b.convolution("conv2", x, {.out_channels = 2, .bias = false});
    return b.finish(b.linear("fc", b.flatten(x), {.out_features = 2}));
}

constexpr dfp_spec all_bits{.bits = 16, .head_room = 0};

} // namespace

TEST_CASE("what is lost is counted where it is stored", "[unit]") {
    const nn::network net = two_convolutions(16);
    nn::parameters p(net);
    for (std::size_t i = 0; i < p.count(); ++i) // filters of very different size
        for (dim_t e = 0; e < p[i].size(); ++e)
            p[i][e] = std::ldexp(2 * random_uniform(3, i, static_cast<std::uint64_t>(e)) - 1,
                                 static_cast<int>(e / 16 % 16) - 15);
    const extents shape = nn::image_shape(net, 2);
    std::vector<float> images(static_cast<std::size_t>(shape.size()));
    for (std::size_t i = 0; i < images.size(); ++i) // 1, a half that is rounded away, and zeros
        images[i] = i == 0 ? 1.0F : i % 3 == 0 ? 0x1p-16F : i % 3 == 1 ? 0.75F : 0.0F;
    const auto flushed = static_cast<std::int64_t>((images.size() - 1) / 3);

    step_report report;
    plan<std::int16_t> training(net, shape, p,
                                {.storage = {.operands = all_bits, .weights = all_bits}, .keep_tensors = true});
    training.watch(&report);
    thread_pool pool(3);
    training.use(pool);
    for (int step = 0; step < 2; ++step) { // the second finds the exponents of the first
        training.gradients_of(images, std::vector<std::int32_t>{0, 1});
        const tensor_report& stored_images = row_of(report, "input", tensor_role::images);
        REQUIRE(stored_images.elements == shape.size());
        REQUIRE(stored_images.exponent == -14);
        REQUIRE(stored_images.losses == quantize_counts{0, flushed});
        // what a product stored, by the scalar text from what it read
        const auto& x = training.tensors()[training.output_tensor("input")];
        const auto& y = training.tensors()[training.output_tensor("relu")];
        const auto w = quantize_dfp<fixed<16>>({p[0].data(), static_cast<std::size_t>(p[0].size())}, {p[0].size()});
        const conv_geometry g = nn::geometry_of(std::get<nn::op::convolution>(net.nodes[1].op), shape);
        std::vector<float> values(static_cast<std::size_t>(y.size));
        rhs_view<dfp16_training> filters;
        filters.values = filter_matrix(g, w.span());
        filters.scale = w.scale();
        reference_conv_forward<dfp16_training>(g, x.elements(), static_cast<double>(x.unit()), filters,
                                               matrix_view<float>(values.data(), g.out_pixels(), g.out_channels));
        std::int64_t lost = 0;
        for (std::size_t i = 0; i < values.size(); ++i) lost += values[i] > 0 && y.data[i] == 0;
        REQUIRE(lost > 0);
        const tensor_report& activation = row_of(report, "relu", tensor_role::activation);
        REQUIRE(activation.losses == quantize_counts{0, lost});
        REQUIRE(activation.exponent == y.exponent);
        REQUIRE(activation.longest_chain > 0);
        REQUIRE(activation.longest_chain <= 16);
        REQUIRE(activation.chains == 0); // no audit
        REQUIRE(row_of(report, "conv1", tensor_role::weights).exponent == w.exponent);
    }
    REQUIRE(report.table().find("conv1") != std::string::npos);
    const std::vector<float> logits(training.logits().begin(), training.logits().end());
    training.watch(nullptr);
    training.gradients_of(images, std::vector<std::int32_t>{0, 1});
    REQUIRE(std::equal(logits.begin(), logits.end(), training.logits().begin()));
}

TEST_CASE("chains of the largest numbers are short, and audited they do not overflow", "[unit][exact]") {
    constexpr dim_t channels = 160;
    const nn::network net = two_convolutions(channels);
    nn::parameters p(net);
    for (std::size_t i = 0; i < p.count(); ++i) std::fill(p[i].begin(), p[i].end(), 0.99999F);
    const std::vector<float> images(static_cast<std::size_t>(nn::image_shape(net, 2).size()), 0.99999F);
    step_report report(true);
    plan<std::int16_t> training(net, nn::image_shape(net, 2), p,
                                {.storage = {.operands = all_bits, .weights = all_bits}});
    training.watch(&report);
    training.gradients_of(images, std::vector<std::int32_t>{0, 1});
    REQUIRE(report.overflows() == 0);
    for (const tensor_report& r : report.rows()) {
        CAPTURE(r.node, static_cast<int>(r.role));
        if (r.role == tensor_role::images || r.role == tensor_role::weights || r.node == "fc") continue;
        if (r.role == tensor_role::gradient && r.node == "conv2") continue; // of two classes: small
        REQUIRE(r.chains > 0);
        REQUIRE(r.longest_chain > 0);
    }
    // two products of 32767^2 fill 31 bits
    REQUIRE(row_of(report, "relu", tensor_role::activation).longest_chain <= 2);
    REQUIRE(row_of(report, "relu", tensor_role::activation).chains == 2 * 3 * 3 * channels * channels / 2);
    REQUIRE(training.tensors()[training.output_tensor("relu")].data != nullptr);
}

TEST_CASE("floats have no exponents to report", "[unit]") {
    const nn::network net = two_convolutions(4);
    nn::parameters p(net);
    step_report report(true);
    plan<float> training(net, nn::image_shape(net, 2), p);
    training.watch(&report);
    training.gradients_of(std::vector<float>(72, 1.0F), std::vector<std::int32_t>{0, 1});
    for (const tensor_report& r : report.rows()) {
        REQUIRE(r.elements > 0);
        REQUIRE(r.exponent == 0);
        REQUIRE(r.longest_chain == 0);
        REQUIRE(r.losses == quantize_counts{});
    }
}

} // namespace intaglio::train
