// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/conv2d.hpp"

#include <limits>
#include <vector>

#include "intaglio/conv/reference.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {
namespace {

void fill(std::span<float> values, std::uint64_t stream) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 2 * random_uniform(5, stream, i) - 1;
}

struct planar_numerics : dfp16_numerics {
    using product = dfp16_planar;
};

/// Output, weight gradient and input gradient of a layer, one after the other.
template <class Numerics>
std::vector<float> all_passes(const conv2d_shape& shape) {
    conv2d<Numerics> conv("conv", shape);
    feature_map in({2, 5, 6, shape.in_channels});
    fill(in.values(), 1);
    fill(conv.weight().value.span(), 2);
    feature_map out(conv.output_shape(in.shape())), d_out(out.shape()), d_in(in.shape());
    conversion_counts counts;
    const pass training{.training = true, .counts = &counts};
    conv.forward(in, out, training);
    fill(d_out.values(), 3);
    conv.backward(in, out, d_out, &d_in, training);
    std::vector<float> all(out.data(), out.data() + out.size());
    all.insert(all.end(), conv.weight().gradient.begin(), conv.weight().gradient.end());
    all.insert(all.end(), d_in.data(), d_in.data() + d_in.size());
    return all;
}

} // namespace

TEST_CASE("a layer gives the same bits from planar bytes", "[exact]") {
    for (const dim_t stride : {1, 2}) {
        const conv2d_shape shape{.in_channels = 33, .out_channels = 18, .kernel = 3, .stride = stride, .padding = 1};
        REQUIRE(all_passes<planar_numerics>(shape) == all_passes<dfp16_numerics>(shape));
    }
}

TEST_CASE("a DFP16 layer multiplies the mantissas of its input and weights", "[exact]") {
    const conv2d_shape shape{.in_channels = 33, .out_channels = 18, .kernel = 3, .stride = 2, .padding = 1};
    conv2d<dfp16_numerics> conv("conv", shape);
    feature_map in({2, 5, 6, 33});
    fill(in.values(), 1);
    fill(conv.weight().value.span(), 2);
    feature_map out(conv.output_shape(in.shape()));
    conv.forward(in, out, {});

    const auto x = quantize_dfp<fixed<16>>(in.values(), in.shape(), {.bits = 16});
    const auto w = quantize_dfp<fixed<16>>(conv.weight().value.span(), conv.weight().value.shape(), {.bits = 16});
    const conv_geometry g = shape.on(in.shape(), "conv");
    std::vector<float> expected(static_cast<std::size_t>(out.size()));
    reference_conv_forward<dfp16_training>(
        g, x.span(), x.scale(),
        {.values = matrix_view<const std::int16_t>{w.data(), 18, g.filter_size()}.transposed(), .scale = w.scale()},
        matrix_view<float>{expected.data(), g.out_pixels(), g.out_channels});
    for (dim_t i = 0; i < out.size(); ++i) REQUIRE(out.data()[i] == expected[static_cast<std::size_t>(i)]);
}

TEST_CASE("conversions are counted, and the audit sees no overflow", "[unit]") {
    conv2d<dfp16_numerics> conv("conv", {.in_channels = 64, .out_channels = 16, .kernel = 3, .padding = 1});
    feature_map in({1, 4, 4, 64});
    for (float& v : in.values()) v = 1.0f; // the longest sums there are: all mantissas at their maximum
    for (float& v : conv.weight().value) v = 1.99999f;
    in.data()[3] = 1e-9f;
    feature_map out(conv.output_shape(in.shape()));
    conversion_counts counts;
    audit check;
    conv.forward(in, out, {.training = true, .counts = &counts, .check = &check});
    REQUIRE(counts.converted == in.size() + conv.weight().value.size());
    REQUIRE(counts.lost.flushed_to_zero == 1);
    REQUIRE(counts.lost.clipped == conv.weight().value.size()); // 1.99999 * 2^14 rounds to 32768
    REQUIRE(check.chains() > 0);
    REQUIRE(check.overflows() == 0);
}

TEST_CASE("layers refuse what does not fit, naming themselves", "[unit]") {
    conv2d<fp32_numerics> conv("stem", {.in_channels = 3, .out_channels = 4, .kernel = 3});
    REQUIRE(mentions<shape_error>([&] { conv.output_shape({1, 8, 8, 4}); }, "stem", "3 channels", "1 x 8 x 8 x 4"));
    REQUIRE_THROWS_AS(conv.output_shape({1, 2, 2, 3}), shape_error);
    linear<fp32_numerics> fc("fc", 4, 2);
    REQUIRE_THROWS_AS(fc.output_shape({1, 2, 2, 4}), shape_error);
}

TEST_CASE("a NaN is refused where it enters an integer product", "[unit]") {
    conv2d<dfp16_numerics> conv("stem", {.in_channels = 2, .out_channels = 2});
    feature_map in({1, 1, 2, 2}), out({1, 1, 2, 2});
    in.data()[2] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(mentions<value_error>([&] { conv.forward(in, out, {}); }, "stem input", "element 2"));
}

} // namespace intaglio::nn
