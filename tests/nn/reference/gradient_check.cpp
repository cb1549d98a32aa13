// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/reference/gradient_check.hpp"

#include "intaglio/nn/network_builder.hpp"
#include "support/catch.hpp"

// The gradient of every operation's scalar meaning, in training and in evaluation, against differences.

namespace intaglio::nn::reference {
namespace {

void require_gradients(const network& net, dim_t batch, double tolerance, float step, const network_mode& mode) {
    const gradient_report report = check_gradients(net, batch, {.step = step}, mode);
    CAPTURE(mode.training, describe(net.nodes[1].op), report.where, report.worst);
    REQUIRE(report.compared > 0);
    REQUIRE(report.worst <= tolerance);
}

/// One operation, on images of that shape (without the batch).
void require_gradients(const extents& image, const operation& op, double tolerance, float step) {
    network_builder build;
    const auto x = build.input(image[0], image[1], image[2]);
    const auto y = build.append(op, {x}, "it");
    for (const bool training : {true, false})
        require_gradients(build.finish(build.flatten(y)), 2, tolerance, step, {.training = training, .seed = 3});
}

} // namespace

// Products are linear in each operand, so the step may be large; FP32 sums lose 2^-24 of the largest.
TEST_CASE("gradients of products", "[gradient]") {
    require_gradients({1, 1, 1}, op::convolution{.in_channels = 1, .out_channels = 1}, 2e-4, 0.25f);
    require_gradients({4, 5, 3}, op::convolution{.in_channels = 3, .out_channels = 5, .kernel = 3, .padding = 1}, 2e-4,
                      0.25f);
    require_gradients({7, 6, 4},
                      op::convolution{.in_channels = 4,
                                      .out_channels = 6,
                                      .kernel = {3, 2},
                                      .stride = {2, 1},
                                      .padding = {1, 0},
                                      .dilation = {1, 2},
                                      .groups = 2,
                                      .bias = false},
                      2e-4, 0.25f);
    require_gradients({1, 1, 19}, op::linear{.in_features = 19, .out_features = 7}, 2e-4, 0.25f);
    require_gradients({1, 1, 5}, op::linear{.in_features = 5, .out_features = 1, .bias = false}, 2e-4, 0.25f);
}

TEST_CASE("gradients of norms", "[gradient]") {
    require_gradients({3, 2, 5}, op::batch_norm{.channels = 5}, 5e-3, 2e-3f);
    require_gradients({8, 8, 2}, op::batch_norm{.channels = 2, .epsilon = 1e-2}, 5e-3, 2e-3f);
    require_gradients({2, 2, 3}, op::batch_norm{.channels = 3, .frozen = true}, 1e-3, 2e-2f);
    require_gradients({2, 3, 7}, op::local_response_norm{.size = 5, .alpha = 2, .k = 0.5}, 2e-3, 2e-3f);
    require_gradients({2, 3, 6}, op::local_response_norm{.size = 4, .alpha = 2, .beta = 1.5}, 2e-3, 2e-3f);
    require_gradients({1, 1, 2}, op::local_response_norm{.size = 9, .alpha = 2}, 2e-3, 2e-3f);
}

TEST_CASE("gradients of operations without parameters", "[gradient]") {
    const extents image{5, 5, 3}; // 150 values in a batch of two, 1/75 apart
    require_gradients(image, op::relu{}, 1e-3, 1e-3f);
    require_gradients(image, op::max_pool{.kernel = 2, .stride = 2}, 1e-3, 1e-3f);
    require_gradients(image, op::max_pool{.kernel = 3, .stride = 1, .padding = 1}, 1e-3, 1e-3f);
    require_gradients(image, op::max_pool{.kernel = {2, 1}, .stride = {3, 2}, .ceil_mode = true}, 1e-3, 1e-3f);
    require_gradients(image, op::average_pool{.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true}, 1e-3, 0.1f);
    require_gradients(image, op::average_pool{.kernel = {3, 2}, .stride = 2, .padding = 1, .count_include_pad = false},
                      1e-3, 0.1f);
    require_gradients(image, op::adaptive_average_pool{{3, 2}}, 1e-3, 0.1f);
    require_gradients(image, op::adaptive_average_pool{}, 1e-3, 0.1f);
    require_gradients(image, op::dropout{0.4}, 1e-3, 0.1f);
    require_gradients(image, op::flatten{}, 1e-3, 0.1f);
    require_gradients(image, op::concatenate{}, 1e-3, 0.1f);
    require_gradients(image, op::padded_shortcut{.stride = 2, .zeros_before = 1, .zeros_behind = 2}, 1e-3, 0.1f);
}

TEST_CASE("gradients of branches that meet, and of auxiliary outputs", "[gradient]") {
    network_builder build;
    const auto x = build.input(4, 4, 3);
    const auto a = build.convolution("a", x, {.out_channels = 4, .kernel = 3, .padding = 1});
    const auto b = build.batch_norm("b", a);
    const auto sum = build.add(a, b);
    const auto all = build.flatten(build.average_pool(build.concatenate({sum, x, a}), {.kernel = 2}));
    build.auxiliary_output(build.linear("aux", build.flatten(sum), {.out_features = 2}), 0.3);
    require_gradients(build.finish(build.linear("fc", all, {.out_features = 3})), 2, 5e-3, 2e-3f, {.training = true});
}

TEST_CASE("the gradient checker finds a wrong gradient, and one that is no number", "[gradient]") {
    std::vector<float> values{1, 2};
    const auto scalar = [&] { return static_cast<double>(3 * values[0] + 5 * values[1]); };
    REQUIRE(compare_gradients(scalar, {{"v", values, {3, 5}}}, {}).worst < 1e-3);
    REQUIRE(compare_gradients(scalar, {{"v", values, {3, 5.1f}}}, {}).worst > 1e-2);
    REQUIRE(compare_gradients(scalar, {{"v", values, {std::nanf(""), 5}}}, {}).where == "v [0]");
}

} // namespace intaglio::nn::reference
