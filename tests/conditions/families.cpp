// SPDX-License-Identifier: Apache-2.0
#include "conditions/families.hpp"

#include <bit>
#include <cstdint>
#include <limits>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/reference.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/data/augment.hpp"
#include "intaglio/gemm/gemm.hpp"
#include "intaglio/gemm/reference.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/nn/reference/gradient_check.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/quantize/blocks.hpp"
#include "intaglio/quantize/budget.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/quantize/int8.hpp"
#include "intaglio/quantize/report.hpp"
#include "intaglio/quantize/residual.hpp"
#include "intaglio/quantize/sensitivity.hpp"
#include "intaglio/quantize/ternary.hpp"
#include "intaglio/train/cross_entropy.hpp"

namespace intaglio::conditions {
/// Floats of random signs and mantissas, their exponents drawn from `range` below 2^`top`: put together as bits, so
/// that the environment has no part in it. Below 2^-126 they are denormal numbers.
std::vector<float> floats(dim_t count, std::uint64_t seed, int top, std::uint32_t range) {
    std::vector<float> all(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::uint32_t bits = random_words(seed, 1, i)[0];
        const int exponent = top - 1 - static_cast<int>(random_below(range, seed, 2, i));
        const std::uint32_t mantissa = bits & 0x7F'FFFFU;
        const std::uint32_t magnitude = exponent >= -126 ? static_cast<std::uint32_t>(exponent + 127) << 23 | mantissa
                                                         : (mantissa | 0x80'0000U) >> std::min(31, -126 - exponent);
        all[i] = std::bit_cast<float>(magnitude | (bits & 0x8000'0000U));
    }
    return all;
}

namespace {

template <class T>
std::vector<T> integers(dim_t count, std::uint64_t seed, std::int64_t low, std::int64_t high) {
    std::vector<T> all(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < all.size(); ++i)
        all[i] = static_cast<T>(
            low + static_cast<std::int64_t>(random_below(static_cast<std::uint32_t>(high - low + 1), seed, 3, i)));
    return all;
}

constexpr dim_t m = 37, n = 45, k = 200;
constexpr int denormal = -126; ///< as `top`: all of them are

// Quantizers

void dynamic_fixed_point(executor_ref exec, bytes& out) {
    for (const int top : {0, denormal, 128}) {
        const auto values = floats(70000, 1, top, 20);
        const auto shape = extents{70000};
        const auto keep = [&](const auto& t, int bits) {
            out.add(std::span(t.mantissas.data(), static_cast<std::size_t>(t.mantissas.size())));
            out.add(t.exponent);
            std::vector<float> back(values.size());
            dequantize_dfp(t, std::span(back), exec);
            out.add(back);
            const quantize_counts counts = count_losses(values, t, {.bits = bits});
            out.add(counts.clipped);
            out.add(counts.flushed_to_zero);
        };
        auto t = quantize_dfp<fixed<16>>(values, shape, {.bits = 16}, "t", nearest_even{}, exec);
        keep(t, 16);
        requantize_dfp(floats(70000, 2, top, 20), shape, t, {.bits = 12}, "t", nearest_even{}, exec);
        keep(t, 12);
        keep(quantize_dfp<fixed<16>>(values, shape, {.bits = 16, .head_room = 2}, "t", stochastic{7, 3}, exec), 16);
        keep(quantize_dfp<fixed<28>>(values, shape, {.bits = 28}, "t", nearest_even{}, exec), 28);
        keep(quantize_dfp<planar_bytes>(values, shape, {.bits = 16}, "t", nearest_even{}, exec), 16);
    }
}

void integers_of_weights(executor_ref exec, bytes& out) {
    for (const int top : {0, denormal + 10}) {
        const auto weights = floats(n * k, 3, top, 4);
        for (const scale_rule rule : {scale_rule::largest, scale_rule::least_error})
            for (const bool sum_zero : {false, true}) {
                const auto w = quantize_blocks<fixed<4>>(weights, n, k, {32, rule, sum_zero}, "w", exec);
                out.add(std::span(w.values(), static_cast<std::size_t>(n * k)));
                out.add(std::span(w.scales(), static_cast<std::size_t>(n * w.blocks())));
                out.add(nmse(weights, w));
            }
    }
}

void activations(executor_ref exec, bytes& out) {
    for (const float largest : {0x1.8p-130F, 0x1.234568p0F, 0x1.8p100F}) {
        const linear_scale scale = scale_for_range<unsigned_fixed<8>>(largest);
        out.add(scale.scale);
        out.add(scale.inverse);
    }
    const auto values = floats(70000, 4, 3);
    std::vector<std::uint8_t> codes(values.size());
    quantize_linear<unsigned_fixed<8>>(values, codes, 0x1.5p5F, exec);
    out.add(codes);
}

void ternary_planes(executor_ref exec, bytes& out) {
    for (const int top : {0, denormal + 2}) {
        const auto weights = floats(n * k, 5, top, 3);
        for (const bool sum_zero : {false, true}) {
            const auto greedy = quantize_residual(weights, n, k, {.planes = 3, .sum_zero = sum_zero}, "w", exec);
            out.add(std::span(greedy.trits(0, 0), static_cast<std::size_t>(3 * n * k)));
            out.add(std::span(greedy.scales(), static_cast<std::size_t>(3 * n * greedy.blocks())));
            out.add(greedy.factor());
            const auto locked = quantize_locked(weights, n, k, {.digits = 2, .sum_zero = sum_zero}, "w", exec);
            out.add(std::span(locked.codes(0), static_cast<std::size_t>(n * k)));
            out.add(std::span(locked.scales(), static_cast<std::size_t>(n * locked.blocks())));
            out.add(locked.factor());
        }
    }
    std::vector<double> block;
    for (const float w : floats(64, 6)) block.push_back(static_cast<double>(w));
    std::vector<std::int8_t> trits(block.size());
    const ternary_block solved = ternarize_block(block, trits);
    out.add(solved.scale);
    out.add(solved.error);
    out.add(trits);
}

void planes_under_a_budget(executor_ref exec, bytes& out) {
    const auto weights = floats(n * k, 7, 0, 3);
    const std::vector<layer_profile> layers{profile_locked("a", weights, n, k, 1000, {.digits = 3}, {}, exec),
                                            profile_residual("b", weights, n, k, 1000, {.planes = 3}, {}, exec)};
    const plane_plan plan = choose_planes(layers, 3 * n * k / 4);
    out.add(plan.choice);
    out.add(plan.perturbation);
    const std::string table = to_table(layers, plan);
    out.add(std::span<const char>(table.data(), table.size()));
    const double sensitivities[] = {0.7, 0.3}, errors[] = {0.01, 0.0003};
    out.add(perturbation_bound(sensitivities, errors));
}

// Products

template <class P>
void product(const lhs_view<P>& lhs, const rhs_view<P>& rhs, executor_ref exec, bytes& out) {
    const auto offsets = floats(n, 8, -2), scales = floats(n, 9, 1);
    std::vector<float> plain(m * n), staged(m * n), expected(m * n);
    std::vector<std::int8_t> codes(m * n);
    float largest = 0;
    const auto packed = pack_rhs<P>(rhs, rhs_storage::fast, exec);
    gemm<P>(lhs, packed, matrix_view<float>(plain.data(), m, n), epilogue<>{}, exec);
    gemm<P>(lhs, packed, matrix_view<float>(staged.data(), m, n),
            epilogue{scale_shift{scales, offsets}, relu{}, bias{offsets}, max_magnitude{&largest}}, exec);
    gemm<P>(lhs, packed, quantized_view<std::int8_t>{{codes.data(), m, n}, 0x1.2p3F}, epilogue{bias{offsets}}, exec);
    reference_gemm<P>(lhs, rhs, matrix_view<float>(expected.data(), m, n));
    out.add(plain);
    out.add(staged);
    out.add(largest);
    out.add(codes);
    out.add(expected);
}

void fp32_product(executor_ref exec, bytes& out) {
    for (const int top : {0, denormal + 1}) { // operands, products and sums that are denormal numbers
        const auto a = floats(m * k, 10, top, 6), b = floats(k * n, 11, 2);
        product<fp32>({{a.data(), m, k}}, {{b.data(), k, n}}, exec, out);
    }
}

void dfp16_product(executor_ref exec, bytes& out) {
    const auto a = integers<std::int16_t>(m * k, 12, -32767, 32767),
               b = integers<std::int16_t>(k * n, 13, -32767, 32767);
    for (const double scale : {0x1p-60, 0x1.3p-40}) // the smallest outputs are denormal numbers
        product<dfp16_training>({{a.data(), m, k}, scale * 0x1p-80}, {{b.data(), k, n}, 0x1p-20}, exec, out);
    product<dfp16_training>({{a.data(), m, k}, 0x1p-30}, {{b.data(), k, n}, 0x1.7p0}, exec, out);
}

void int8_product(executor_ref exec, bytes& out) {
    const auto a = integers<std::uint8_t>(m * k, 14, 0, 255);
    const auto b = quantize_int8_rows(floats(n * k, 15), n, k, "w", exec);
    product<int8_inference>({{a.data(), m, k}, 0.0123}, b.as_rhs<rhs_view<int8_inference>>(), exec, out);
}

void ternary_product(executor_ref exec, bytes& out) {
    const auto a = integers<std::uint8_t>(m * k, 16, 0, 255);
    const auto weights = floats(n * k, 17, 0, 3);
    using greedy = ternary8_inference<2>;
    const auto planes = quantize_residual(weights, n, k, {}, "w", exec);
    product<greedy>({{a.data(), m, k}, 0.0123}, planes.as_rhs<rhs_view<greedy>>(), exec, out);
    using fused = ternary8_locked<2>;
    const auto digits = quantize_locked(weights, n, k, {}, "w", exec);
    product<fused>({{a.data(), m, k}, 0.0123}, digits.as_rhs<rhs_view<fused>>(), exec, out);
}

void block_product(executor_ref exec, bytes& out) {
    const auto a = integers<std::uint8_t>(m * k, 18, 0, 255);
    const auto b = quantize_blocks<fixed<4>>(floats(n * k, 19), n, k, {.block = 32}, "w", exec);
    product<int4_blocks>({{a.data(), m, k}, 0.0123}, b.as_rhs<rhs_view<int4_blocks>>(), exec, out);
    const auto c = quantize_blocks<fixed<14>>(floats(m * k, 20), m, k, {.block = 32}, "x", exec),
               d = quantize_blocks<fixed<14>>(floats(n * k, 21), n, k, {.block = 32}, "w", exec);
    product<int16_blocks>(c.as_lhs<lhs_view<int16_blocks>>(), d.as_rhs<rhs_view<int16_blocks>>(), exec, out);
}

// Convolutions

template <class P, class T>
void convolution(const std::vector<T>& x, const std::vector<T>& filter, const std::vector<T>& d_out, executor_ref exec,
                 const conv_geometry& g, bytes& out) {
    constexpr double scale = 0x1.3p-9;
    const auto pixels = static_cast<std::size_t>(g.out_pixels() * g.out_channels);
    std::vector<float> y(pixels), d_x(x.size()), d_filter(filter.size());
    const auto packed =
        pack_filter<P>(g, {.values = filter_matrix(g, filter), .scale = scale}, rhs_storage::fast, exec);
    const matrix_view<float> y_view(y.data(), g.out_pixels(), g.out_channels),
        d_x_view(d_x.data(), g.in_pixels(), g.in_channels),
        d_filter_view(d_filter.data(), g.out_channels, g.filter_size());
    const auto keep = [&] {
        out.add(y);
        out.add(d_x);
        out.add(d_filter);
    };
    conv_forward<P>(g, x, scale, packed, y_view, epilogue{relu{}}, exec);
    conv_input_gradient<P>(g, d_out, scale, filter, scale, d_x_view, epilogue<>{}, exec);
    conv_weight_gradient<P>(g, x, scale, d_out, scale, d_filter_view, exec);
    keep();
    reference_conv_forward<P>(g, x, scale, {.values = filter_matrix(g, filter), .scale = scale}, y_view);
    reference_conv_input_gradient<P>(g, d_out, scale, filter, scale, d_x_view);
    reference_conv_weight_gradient<P>(g, x, scale, d_out, scale, d_filter_view);
    keep();
}

constexpr conv_geometry geometry(dim_t stride) {
    conv_geometry g;
    g.batch = 2, g.height = 7, g.width = 9, g.in_channels = 8, g.out_channels = 20;
    g.kernel_h = g.kernel_w = 3, g.pad_h = g.pad_w = 1, g.stride_h = g.stride_w = stride;
    return g;
}

void fp32_convolution(executor_ref exec, bytes& out) {
    for (const dim_t stride : {1, 2}) {
        const conv_geometry g = geometry(stride);
        convolution<fp32>(floats(g.in_pixels() * g.in_channels, 22, denormal + 1, 8),
                          floats(g.out_channels * g.filter_size(), 23), floats(g.out_pixels() * g.out_channels, 24),
                          exec, g, out);
    }
}

void dfp16_convolution(executor_ref exec, bytes& out) {
    for (const dim_t stride : {1, 2}) {
        const conv_geometry g = geometry(stride);
        const auto draw = [](dim_t count, std::uint64_t seed) {
            return integers<std::int16_t>(count, seed, -32767, 32767);
        };
        convolution<dfp16_training>(draw(g.in_pixels() * g.in_channels, 25), draw(g.out_channels * g.filter_size(), 26),
                                    draw(g.out_pixels() * g.out_channels, 27), exec, g, out);
    }
}

// Networks

tensor<float> images(dim_t count) {
    tensor<float> all({count, 8, 8, 1});
    for (dim_t i = 0; i < all.size(); ++i)
        all[i] = static_cast<float>(random_below(17, 2, 3, static_cast<std::uint64_t>(i))) / 16; // exact
    return all;
}

void nan_and_infinity(executor_ref exec, bytes& out) { // comparisons of NaN are what a trap would catch
    tensor<float> in({1, 4, 4, 3});
    for (dim_t i = 0; i < in.size(); ++i)
        in[i] = i % 5 == 0   ? std::numeric_limits<float>::quiet_NaN()
                : i % 7 == 0 ? std::numeric_limits<float>::infinity()
                             : static_cast<float>(i);
    nn::network_builder build;
    const auto maxima = build.max_pool(build.relu(build.input(4, 4, 3)), {.kernel = 2});
    const nn::network net = build.finish(build.flatten(build.global_average_pool(maxima)));
    const auto run = nn::reference::forward(net, nn::parameters(net), in);
    const std::span<const float> logits = run.values.back().span();
    out.add(logits);
    const std::int32_t label = 1;
    out.add(train::softmax_cross_entropy(logits, {&label, 1}, 0, 1, {}, "logits").correct);
    std::vector<float> a(m * k, std::numeric_limits<float>::max());
    a[5] = std::numeric_limits<float>::quiet_NaN();
    const auto b = floats(k * n, 31);
    std::vector<std::int8_t> codes(m * n);
    gemm<fp32>({{a.data(), m, k}}, rhs_view<fp32>{{b.data(), k, n}},
               quantized_view<std::int8_t>{{codes.data(), m, n}, 1.0F}, epilogue{relu{}}, exec);
    out.add(codes);
}

void gradient_checks(executor_ref, bytes& out) {
    nn::network_builder b;
    const nn::network net = b.finish(b.flatten(b.batch_norm("norm", b.input(2, 3, 3))));
    const nn::gradient_report report = nn::reference::check_gradients(net, 2);
    out.add(report.worst);
    out.add(report.compared);
}

void integer_networks(executor_ref exec, bytes& out) {
    const nn::network net = models::digits_cnn();
    nn::parameters weights;
    nn::he_initialize(net, weights, 4, {}, exec);
    const auto batch = images(3);
    for (const infer::weight_coding& coding :
         {infer::weight_coding{}, infer::weight_coding{.step = 0.7},
          infer::weight_coding{.family = infer::coding_family::greedy, .planes = 2},
          infer::weight_coding{.family = infer::coding_family::locked, .planes = 2}}) {
        const infer::conversion made =
            infer::convert(net, weights, {.input = {{0.3F, 0.4F, 0, 1}}, .coding = coding, .noise = 4}, exec);
        const infer::integer_network runner(made.network, exec);
        infer::integer_network::workspace memory;
        const tensor<float> logits = runner.run(batch, runner.level_count(), memory, exec);
        out.add(logits.span());
    }
}

void deformed_digits(executor_ref, bytes& out) {
    data::digits one;
    one.pixels = integers<std::uint8_t>(64, 32, 0, 16);
    one.labels = {3};
    std::vector<float> image(64);
    for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
        data::deform_digit(one, 0, {}, 1, epoch, image);
        out.add(image);
    }
}

constexpr family all[] = {
    {"dynamic fixed point", dynamic_fixed_point},
    {"integers of weights", integers_of_weights},
    {"8-bit activations", activations},
    {"ternary planes", ternary_planes},
    {"planes under a budget", planes_under_a_budget},
    {"FP32 product", fp32_product},
    {"DFP16 product", dfp16_product},
    {"8-bit product", int8_product},
    {"ternary product", ternary_product},
    {"product of blocks", block_product},
    {"FP32 convolution", fp32_convolution},
    {"DFP16 convolution", dfp16_convolution},
    {"NaN and infinity", nan_and_infinity},
    {"gradient check", gradient_checks},
    {"integer networks", integer_networks},
    {"training plans", train_plans},
    {"deformed digits", deformed_digits},
};

} // namespace

std::span<const family> families() { return all; }

} // namespace intaglio::conditions
