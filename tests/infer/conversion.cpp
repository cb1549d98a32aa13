// SPDX-License-Identifier: Apache-2.0
#include "intaglio/infer/convert.hpp"

#include <cmath>
#include <vector>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/channel_moments.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::infer {
namespace {

/// Second moments of inputs that go together: few causes, many columns.
std::vector<float> moments(dim_t size, dim_t causes, std::uint64_t seed) {
    std::vector<float> h(static_cast<std::size_t>(size * size));
    for (dim_t c = 0; c < causes; ++c) {
        std::vector<float> x(static_cast<std::size_t>(size));
        for (std::size_t k = 0; k < x.size(); ++k)
            x[k] = 0.3F + random_uniform(seed, static_cast<std::uint64_t>(c), k) - 0.5F;
        for (dim_t i = 0; i < size; ++i)
            for (dim_t j = i; j < size; ++j)
                h[static_cast<std::size_t>(i * size + j)] +=
                    x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(j)] / static_cast<float>(causes);
    }
    return h;
}

double at(const std::vector<float>& h, dim_t size, dim_t i, dim_t j) {
    return static_cast<double>(h[static_cast<std::size_t>(std::min(i, j) * size + std::max(i, j))]);
}

/// e^T (H + damping) e.
double price(const std::vector<float>& h, dim_t size, const std::vector<double>& e, double damping) {
    double sum = 0;
    for (dim_t i = 0; i < size; ++i)
        for (dim_t j = 0; j < size; ++j)
            sum += e[static_cast<std::size_t>(i)] * e[static_cast<std::size_t>(j)] *
                   (at(h, size, i, j) + (i == j ? damping : 0));
    return sum;
}

double damping_of(const std::vector<float>& h, dim_t size) {
    double sum = 0;
    for (dim_t i = 0; i < size; ++i) sum += at(h, size, i, i);
    return 0.01 * sum / static_cast<double>(size);
}

convert_options options_for(const nn::network& net) {
    convert_options o;
    o.input.assign(static_cast<std::size_t>(nn::image_shape(net, 1)[3]), {0, 0.5F, -1, 1});
    o.noise = 12;
    return o;
}

} // namespace

TEST_CASE("the factor of second moments gives them back", "[unit]") {
    for (const dim_t size : {1, 2, 63, 64, 65, 150}) {
        CAPTURE(size);
        const std::vector<float> h = moments(size, 40, 7);
        const feedback_factor f = factor_moments(h.data(), size);
        const double damping = damping_of(h, size);
        // D from the reversed recursion, then U D U^T, entry by entry
        std::vector<double> d(static_cast<std::size_t>(size));
        const auto u = [&](dim_t i, dim_t k) { return static_cast<double>(f.u[i * size + k]); };
        const auto wanted = [&](dim_t i, dim_t j) {
            const dim_t r = f.order[static_cast<std::size_t>(i)], c = f.order[static_cast<std::size_t>(j)];
            return at(h, size, r, c) + (i == j ? damping : 0);
        };
        for (dim_t k = size; k-- > 0;) {
            double v = wanted(k, k);
            for (dim_t m = k + 1; m < size; ++m) v -= u(k, m) * u(k, m) * d[static_cast<std::size_t>(m)];
            d[static_cast<std::size_t>(k)] = v;
            REQUIRE(v > 0);
        }
        double worst = 0;
        for (dim_t i = 0; i < size; ++i)
            for (dim_t j = i; j < size; ++j) {
                double sum = 0;
                for (dim_t m = j; m < size; ++m)
                    sum += (i == m ? 1 : u(i, m)) * (j == m ? 1 : u(j, m)) * d[static_cast<std::size_t>(m)];
                worst = std::max(worst, std::fabs(sum - wanted(i, j)));
            }
        REQUIRE(worst < 1e-4);
        for (dim_t k = 1; k < size; ++k)
            REQUIRE(at(h, size, f.order[static_cast<std::size_t>(k - 1)], f.order[static_cast<std::size_t>(k - 1)]) >=
                    at(h, size, f.order[static_cast<std::size_t>(k)], f.order[static_cast<std::size_t>(k)]));
    }
}

TEST_CASE("feedback costs less than rounding, and each column is the best for those before it", "[unit]") {
    constexpr dim_t size = 150, rows = 6;
    const std::vector<float> h = moments(size, 20, 9);
    const double damping = damping_of(h, size);
    const feedback_factor factor = factor_moments(h.data(), size);
    std::vector<float> weights(rows * size);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 2 * random_uniform(3, 4, i) - 1;
    const std::vector<float> steps(rows, 0.4F);
    std::vector<std::int8_t> fed(weights.size()), nearest(weights.size());
    code_rows(weights.data(), rows, size, steps, 127, &factor, fed.data());
    code_rows(weights.data(), rows, size, steps, 127, nullptr, nearest.data());
    for (dim_t r = 0; r < rows; ++r) {
        const auto errors = [&](const std::vector<std::int8_t>& codes) {
            std::vector<double> e;
            for (dim_t k = 0; k < size; ++k) {
                const auto i = static_cast<std::size_t>(r * size + k);
                e.push_back(static_cast<double>(weights[i]) - 0.4 * static_cast<double>(codes[i]));
            }
            return e;
        };
        REQUIRE(price(h, size, errors(fed), damping) < 0.5 * price(h, size, errors(nearest), damping));
        // the last column can change nothing but itself: any other code costs more
        const auto last = static_cast<std::size_t>(r * size + factor.order.back());
        const double best = price(h, size, errors(fed), damping);
        for (const int other : {-1, 1}) {
            std::vector<std::int8_t> changed = fed;
            changed[last] = static_cast<std::int8_t>(changed[last] + other);
            REQUIRE(price(h, size, errors(changed), damping) > best - 1e-5);
        }
    }
    std::vector<std::int8_t> alone(weights.size());
    thread_pool pool(3);
    code_rows(weights.data(), rows, size, steps, 127, &factor, alone.data(), pool);
    REQUIRE(alone == fed);
}

TEST_CASE("noise has the values that were asked for, and does not depend on the batch", "[unit]") {
    const std::vector<channel_values> channels{{10, 4, 0, 20}, {-1, 0.5F, -2, 0}, {0, 1, -9, 9}};
    const tensor<float> all = noise_images(0, 40, 20, 33, channels), some = noise_images(7, 2, 20, 33, channels);
    const dim_t image = 20 * 33 * 3;
    REQUIRE(std::equal(some.begin(), some.end(), all.begin() + 7 * image));
    for (std::size_t c = 0; c < 3; ++c) {
        double sum = 0, squares = 0, along = 0;
        const dim_t n = all.size() / 3;
        for (dim_t i = 0; i < n; ++i) {
            const auto at_pixel = [&](dim_t p) { return static_cast<double>(all[p * 3 + static_cast<dim_t>(c)]); };
            const double v = at_pixel(i);
            REQUIRE(v >= static_cast<double>(channels[c].low));
            REQUIRE(v <= static_cast<double>(channels[c].high));
            sum += v, squares += v * v;
            if (i + 1 < n) along += v * at_pixel(i + 1);
        }
        const double mean = sum / static_cast<double>(n), variance = squares / static_cast<double>(n) - mean * mean;
        REQUIRE(std::fabs(mean - static_cast<double>(channels[c].mean)) <
                0.6 * static_cast<double>(channels[c].deviation));
        // neighbours resemble each other
        REQUIRE(along / static_cast<double>(n) - mean * mean > 0.6 * variance);
    }
}

TEST_CASE("moments promise what networks keep", "[unit]") {
    const channel_moments half = rectified({{0}, {1}});
    REQUIRE(std::fabs(half.mean[0] - 0.3989423) < 1e-6);
    REQUIRE(std::fabs(half.variance[0] - (0.5 - 0.3989423 * 0.3989423)) < 1e-6);
    const nn::network net = odd::residual();
    const folded_network folded = infer::fold(net, random_parameters(net));
    const auto ranges = promised_ranges(folded);
    for (std::size_t i = 1; i < ranges.size(); ++i) {
        CAPTURE(folded.net.nodes[i].name);
        if (folded.net.nodes[i].name == "fc" || folded.net.nodes[i].name == "c.conv") continue;
        REQUIRE(ranges[i].has_value());
        if (std::holds_alternative<nn::op::relu>(folded.net.nodes[i].op)) REQUIRE(ranges[i]->low == 0);
        REQUIRE(ranges[i]->high > 0);
    }
    // nothing is promised without batch norm
    const folded_network plain = infer::fold(odd::branches(), random_parameters(odd::branches()));
    REQUIRE(!promised_ranges(plain)[1].has_value());
}

TEST_CASE("a conversion meets its size, and its dial's levels refine each other", "[unit]") {
    for (const auto& [name, net] : odd::all()) {
        CAPTURE(name);
        convert_options o = options_for(net);
        o.coding.step = 0.8;
        o.levels = 3;
        const nn::parameters weights = random_parameters(net);
        const conversion made = convert(net, weights, o);
        REQUIRE(made.network.level_count() == 3);
        const integer_network engine(made.network);
        integer_network::workspace memory;
        const folded_network folded = infer::fold(net, weights);
        const tensor<float> images =
            noise_images(100, 24, nn::image_shape(net, 1)[1], nn::image_shape(net, 1)[2], o.input);
        const tensor<float> expected = nn::reference::forward(folded.net, folded.weights, images).values.back();
        double before = 1e9;
        for (const int level : {1, 3}) {
            const tensor<float> logits = engine.run(images, level, memory);
            double error = 0;
            for (dim_t i = 0; i < logits.size(); ++i) {
                const double d = static_cast<double>(logits[i]) - static_cast<double>(expected[i]);
                error += d * d;
            }
            REQUIRE(error < before);
            before = error;
        }
        for (std::size_t i = 0; i < made.network.levels[0].size(); ++i)
            for (int level = 1; level < 3; ++level)
                REQUIRE(made.network.planes_at(level + 1, i) >= made.network.planes_at(level, i));
    }
}

TEST_CASE("budgets are kept and monotone", "[unit]") {
    const nn::network net = odd::residual();
    const folded_network folded = infer::fold(net, random_parameters(net));
    const std::vector<std::size_t> nodes = products_of(folded.net);
    std::vector<double> sensitivity(folded.net.nodes.size(), 0);
    for (std::size_t k = 0; k < nodes.size(); ++k) sensitivity[nodes[k]] = 0.01 / static_cast<double>(1 + k);
    double before = 0;
    const std::vector<weight_coding> choices = usual_steps();
    const std::vector<layer_profile> layers = profile_codings(folded, nodes, sensitivity, choices);
    for (const double size : {1.6, 2.0, 3.0}) {
        const dim_t budget = code_budget(folded, nodes, size);
        std::vector<double> steps;
        for (const std::size_t c : choose_within_bytes(layers, budget)) steps.push_back(choices[c].step);
        double error = 0, bytes = 0;
        for (std::size_t k = 0; k < nodes.size(); ++k) {
            error += sensitivity[nodes[k]] * steps[k] * steps[k];
            const tensor<float>& w = folded.weights[folded.weights.place(nodes[k], nn::parameter_role::weight)];
            std::vector<std::int8_t> codes(static_cast<std::size_t>(w.size()));
            code_rows(w.data(), w.shape()[0], w.size() / w.shape()[0],
                      detail::steps_of_rows(w.span(), w.shape()[0], steps[k]).values(), 127, nullptr, codes.data());
            bytes += entropy_bytes(codes);
        }
        REQUIRE(bytes <= static_cast<double>(budget));
        REQUIRE(error > before);
        before = error;
    }
    REQUIRE(code_budget(folded, {}, 9) <= 0);
    const std::vector<channel_values> input(3, channel_values{0, 1, -2, 2});
    const nn::parameters weights = random_parameters(net);
    REQUIRE(mentions<value_error>([&] { convert(net, weights, {.input = input, .size = 9, .noise = 4}); }, "9 times",
                                  "can't be had", "ask for less"));
    REQUIRE(mentions<value_error>([&] { convert(net, weights, {.input = input, .memory = 9, .noise = 4}); },
                                  "in memory can't be had"));
    REQUIRE(mentions<value_error>([&] { convert(net, weights, {.input = input, .size = 2, .memory = 2}); },
                                  "beside another budget"));
    // a last layer with most of the weights is coded too
    nn::network_builder b;
    const auto x = b.relu(b.convolution("conv", b.input(8, 8, 3), {.out_channels = 16, .kernel = 3}));
    const nn::network wide =
        b.finish(b.flatten(b.global_average_pool(b.convolution("classes", x, {.out_channels = 200}))));
    const conversion made = convert(wide, random_parameters(wide), {.input = input, .size = 2, .noise = 4});
    REQUIRE(made.codings[products_of(made.network.net).back()].step > 0);
    REQUIRE(mentions<shape_error>([&] { convert(net, random_parameters(net), {}); }, "0 channels", "3"));
}

} // namespace intaglio::infer
