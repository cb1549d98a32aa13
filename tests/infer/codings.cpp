// SPDX-License-Identifier: Apache-2.0

// Greedy planes, locked digits and 4-bit blocks as codings of networks: what their planes sum to, how they err, what
// they cost.

#include <cmath>
#include <vector>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/accounting.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/quantize/report.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::infer {
namespace {

constexpr dim_t rows = 24, cols = 64 * 18;

std::vector<float> normal_weights() {
    std::vector<float> weights(rows * cols);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = random_normal(11, 1, i);
    return weights;
}

coded_product code(std::span<const float> weights, const weight_coding& coding, dim_t width = cols) {
    input_statistics inputs;
    inputs.size = width;
    inputs.mean.assign(static_cast<std::size_t>(width), 0.5F);
    return code_product(weights, std::vector<float>(weights.size() / static_cast<std::size_t>(width), 0.25F), inputs,
                        coding);
}

std::vector<double> errors_of(const weight_coding& coding) {
    const std::vector<float> weights = normal_weights();
    return plane_errors(code(weights, coding), weights, coding);
}

using family = coding_family;

} // namespace

TEST_CASE("sums of planes with scales are codes of a signed byte, for any length of block", "[exact]") {
    const std::vector<float> weights = normal_weights();
    for (const dim_t block : {1, 5, 64, 1000, 65535})
        for (const weight_coding& coding : {weight_coding{.family = family::greedy, .planes = 4, .block = block},
                                            weight_coding{.family = family::locked, .planes = 3, .block = block},
                                            weight_coding{.family = family::int4, .block = block}}) {
            const coded_product product = code(weights, coding);
            const dim_t each = std::min(block, cols), blocks = (cols + each - 1) / each;
            REQUIRE(product.plane_count() == coding.planes);
            for (int planes = 1; planes <= coding.planes; ++planes) {
                const channel_codes sum = sum_of_planes(product, planes);
                int wrong = 0;
                for (dim_t i = 0; i < rows * cols; ++i) {
                    int expected = 0;
                    for (int p = 0; p < planes; ++p) {
                        const weight_plane& plane = product.planes[static_cast<std::size_t>(p)];
                        const auto& scales = plane.scales.empty() ? product.planes[0].scales : plane.scales;
                        const auto at = static_cast<std::size_t>(i / cols * blocks + i % cols / each);
                        expected = expected * plane.divisor + scales[at] * plane.codes[i];
                    }
                    wrong += expected != sum.codes[i] || std::abs(expected) > 127 ? 1 : 0;
                }
                REQUIRE(wrong == 0);
            }
        }
}

TEST_CASE("an outlier does not push a sum of planes out of a byte", "[unit]") {
    std::vector<float> weights(64, 1.0F);
    for (const float outlier : {2.0F, 5.0F, 10.0F, 300.0F}) {
        weights[7] = -outlier;
        const weight_coding coding{.family = family::greedy, .planes = 8};
        const coded_product product = code(weights, coding, 64);
        for (int planes = 1; planes <= 8; ++planes)
            for (const std::int8_t c : sum_of_planes(product, planes).codes) REQUIRE(c != -128);
        const std::vector<double> errors = plane_errors(product, weights, coding);
        REQUIRE(errors.back() < 1e-3);
    }
}

TEST_CASE("errors are those of the theory, and fall with every plane", "[unit]") {
    // relative squared errors of normal weights in blocks of 64; scales are coarser than real numbers
    const std::vector<double> greedy = errors_of({.family = family::greedy, .planes = 5});
    const double ideal[] = {0.184, 0.0385, 0.0129, 0.0034, 0.0007};
    double harmonic = 0;
    for (int n = 1; n <= 64; ++n) harmonic += 1.0 / n;
    for (std::size_t p = 0; p < greedy.size(); ++p) {
        CAPTURE(p, greedy[p]);
        REQUIRE(greedy[p] < 1.25 * ideal[p] + 1e-4);
        if (p > 0) REQUIRE(greedy[p] < (1 - 1 / harmonic) * greedy[p - 1]);
    }
    CHECK(errors_of({.family = family::locked, .planes = 2}).back() < 1.05 * 0.0263);
    CHECK(errors_of({.family = family::locked, .planes = 3}).back() < 1.15 * 0.0030);
    CHECK(errors_of({.family = family::int4}).back() < 1.15 * 0.0089);
}

TEST_CASE("a level of greedy planes is the coding with as many planes", "[exact]") {
    const std::vector<float> weights = normal_weights();
    const coded_product all = code(weights, {.family = family::greedy, .planes = 4});
    for (int planes = 1; planes <= 4; ++planes) {
        const channel_codes prefix = sum_of_planes(all, planes),
                            alone = sum_of_planes(code(weights, {.family = family::greedy, .planes = planes}), planes);
        REQUIRE(prefix.steps == alone.steps);
        REQUIRE(std::equal(prefix.codes.begin(), prefix.codes.end(), alone.codes.begin()));
    }
}

TEST_CASE("costs are those of the paper", "[unit]") {
    const std::vector<float> weights = normal_weights();
    const coded_product product = code(weights, {.family = family::greedy, .planes = 3});
    for (int planes = 1; planes <= 3; ++planes) {
        const network_cost cost = cost_of(product, planes, 49);
        const weight_cost paper = cost_of_planes(planes, 64);
        REQUIRE(cost.planes_per_weight() == planes);
        REQUIRE(cost.bits_per_weight() == Approx(paper.bits_per_weight));
        REQUIRE(cost.size_vs_8_8() == Approx(paper.size_vs_8_8));
        REQUIRE(cost.multiplications_vs_8_8() == Approx(paper.multiplications_vs_8_8));
    }
    // its abstract: 2.4 planes are 1.6 times smaller with 26 times fewer multiplications, 2 planes 1.9 and 32 times
    network_cost mixed;
    for (const auto& [planes, count] : {std::pair{2, 6}, {3, 4}})
        for (int n = 0; n < count; ++n) {
            const network_cost one = cost_of(product, planes, 49);
            mixed.weights += one.weights, mixed.planes += one.planes, mixed.bits += one.bits;
            mixed.macs += one.macs, mixed.multiplications += one.multiplications;
        }
    REQUIRE(mixed.planes_per_weight() == Approx(2.4));
    REQUIRE(mixed.size_vs_8_8() == Approx(1.57).epsilon(0.003));
    REQUIRE(mixed.multiplications_vs_8_8() == Approx(26.7).epsilon(0.003));
    const network_cost bytes = cost_of(code(weights, {}), 1, 49);
    REQUIRE(bytes.planes_per_weight() == 0);
    REQUIRE(bytes.size_vs_8_8() == 1);
    REQUIRE(bytes.multiplications_vs_8_8() == 1);
    REQUIRE(cost_of(code(weights, {.family = family::locked, .planes = 2}), 2, 49).planes_per_weight() == 2);
}

TEST_CASE("planes go where they matter, within a size or an error", "[unit]") {
    const nn::network net = odd::residual();
    const nn::parameters weights = random_parameters(net);
    convert_options o;
    o.input.assign(3, {0, 0.5F, -1, 1});
    o.noise = 12;
    o.coding = {.family = family::greedy, .planes = 3, .block = 16};
    o.error = 0.06;
    const auto planes_of = [](const conversion& made) { return cost(made.network, made.network.level_count()).planes; };
    const conversion loose = convert(net, weights, o);
    o.error = 0.013;
    const conversion tight = convert(net, weights, o);
    REQUIRE(planes_of(loose) < planes_of(tight));
    o.error = 1e-9;
    REQUIRE(mentions<value_error>([&] { convert(net, weights, o); }, "error of 1e-09", "finest"));
    o.error = 0, o.levels = 5;
    const conversion dial = convert(net, weights, o);
    REQUIRE(dial.network.level_count() == 5);
    double before = 0;
    for (int level = 1; level <= 5; ++level) {
        const double planes = cost(dial.network, level, false).planes_per_weight();
        REQUIRE(planes >= before);
        before = planes;
        if (level == 1) REQUIRE(planes == 1);
    }
    REQUIRE(before == 3);
}

TEST_CASE("codings that can't be are refused", "[unit]") {
    const std::vector<float> weights = normal_weights();
    const auto refused = [&](const weight_coding& coding, const char* what) {
        return mentions<value_error>([&] { code(weights, coding); }, what);
    };
    REQUIRE(refused({.family = family::greedy, .planes = 9}, "9 planes"));
    REQUIRE(refused({.family = family::locked, .planes = 4}, "4 planes"));
    REQUIRE(refused({.family = family::int4, .planes = 2}, "2 planes"));
    REQUIRE(refused({.family = family::int4, .block = 0}, "blocks of 0"));
    REQUIRE(refused({.step = 1, .divisors = {100}}, "100"));
}

} // namespace intaglio::infer
