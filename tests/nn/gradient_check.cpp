// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/gradient_check.hpp"

#include <cmath>

#include "intaglio/nn/batch_norm.hpp"
#include "intaglio/nn/conv2d.hpp"
#include "intaglio/nn/pooling.hpp"
#include "intaglio/nn/relu.hpp"
#include "intaglio/nn/sequential.hpp"
#include "support/catch.hpp"

// Every layer, in every numerics that it has, against the one checker.

namespace intaglio::nn {
namespace {

void require_gradients(layer& checked, const extents& in, double tolerance, float step) {
    const gradient_report report = check_gradients(checked, in, {.step = step});
    CAPTURE(report.where, report.worst, in.to_string());
    REQUIRE(report.compared > 0);
    REQUIRE(report.worst <= tolerance);
}

/// Shapes at the edges of kernels: kernel sizes, strides that leave pixels out, padding, single pixels and channels.
const struct {
    conv2d_shape conv;
    extents in;
} conv_cases[] = {
    {{.in_channels = 1, .out_channels = 1}, {1, 1, 1, 1}},
    {{.in_channels = 3, .out_channels = 5, .kernel = 3, .padding = 1}, {2, 4, 5, 3}},
    {{.in_channels = 4, .out_channels = 3, .kernel = 3, .stride = 2, .padding = 1}, {2, 6, 5, 4}},
    {{.in_channels = 2, .out_channels = 17, .kernel = 2}, {3, 3, 3, 2}},
    {{.in_channels = 5, .out_channels = 2, .kernel = 5, .stride = 3, .padding = 2}, {1, 7, 7, 5}},
};

template <class Numerics>
void check_products(double tolerance, float step) {
    for (const auto& c : conv_cases)
        for (const bool with_bias : {false, true}) {
            conv2d<Numerics> conv("conv", c.conv, with_bias);
            require_gradients(conv, c.in, tolerance, step);
        }
    linear<Numerics> fc("fc", 19, 7);
    require_gradients(fc, {3, 1, 1, 19}, tolerance, step);
}

} // namespace

// A product is linear in each operand, so the step may be large. FP32 sums lose 2^-24 of the largest; DFP16 rounds
// operands to 2^-15 of the largest, of which a step of 0.25 sees 2^-13.
TEST_CASE("gradients of FP32 products", "[gradient]") { check_products<fp32_numerics>(2e-4, 0.25f); }
TEST_CASE("gradients of DFP16 products", "[gradient]") { check_products<dfp16_numerics>(4e-3, 0.25f); }

TEST_CASE("gradients of batch norm", "[gradient]") {
    for (const extents& in : {extents{2, 1, 1, 1}, extents{4, 3, 2, 5}, extents{3, 8, 8, 2}}) {
        batch_norm norm("norm", in[3]);
        // two values have no gradient left: all of it is rounding
        require_gradients(norm, in, in.size() <= 2 ? 1.0 : 5e-3, 2e-3f);
    }
}

TEST_CASE("gradients of the layers without parameters", "[gradient]") {
    const extents in{2, 5, 5, 3}; // 150 values, 1/75 apart
    relu rectifier;
    require_gradients(rectifier, in, 1e-3, 1e-3f);
    max_pool whole(2), overlapping(3, 1), skipping(2, 3);
    require_gradients(whole, in, 1e-3, 1e-3f);
    require_gradients(overlapping, in, 1e-3, 1e-3f);
    require_gradients(skipping, in, 1e-3, 1e-3f);
    global_average_pool average;
    require_gradients(average, in, 1e-3, 0.1f);
}

TEST_CASE("gradients of a residual block", "[gradient]") {
    residual block;
    block.body().add<conv2d<fp32_numerics>>(
        "conv1", conv2d_shape{.in_channels = 3, .out_channels = 4, .kernel = 3, .padding = 1});
    block.body().add<conv2d<fp32_numerics>>("conv2", conv2d_shape{.in_channels = 4, .out_channels = 3}, true);
    require_gradients(block, {2, 3, 4, 3}, 1e-3, 0.1f);
}

TEST_CASE("the checker finds a wrong gradient", "[gradient]") {
    struct doubled : relu {
        void backward(const feature_map& in, const feature_map& out, const feature_map& d_out, feature_map* d_in,
                      const pass& p) override {
            relu::backward(in, out, d_out, d_in, p);
            d_in->data()[7] *= 1.01f;
            d_in->data()[8] *= 1.01f;
        }
    } wrong;
    REQUIRE(check_gradients(wrong, {1, 2, 2, 5}).worst > 1e-3);
}

TEST_CASE("the checker reports a gradient that is NaN", "[gradient]") {
    struct broken : relu {
        void backward(const feature_map& in, const feature_map& out, const feature_map& d_out, feature_map* d_in,
                      const pass& p) override {
            relu::backward(in, out, d_out, d_in, p);
            d_in->data()[7] = std::nanf("");
        }
    } wrong;
    const gradient_report report = check_gradients(wrong, {1, 2, 2, 5});
    REQUIRE(std::isnan(report.worst));
    REQUIRE(report.where == "input [7]");
}

} // namespace intaglio::nn
