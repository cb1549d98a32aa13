// SPDX-License-Identifier: Apache-2.0
#include "intaglio/infer/coding_times.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/coding_budget.hpp"
#include "intaglio/infer/coding_clock.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::infer {
namespace {

const std::vector<weight_coding> four_codings{{}, {.step = 0.3}, {.step = 0.7}, {.step = 1.5}};

/// Coarser codings are quicker by 3 to 40 %, 8-8 takes 1 to 3 microseconds.
coding_times made_up(const nn::network& net, std::size_t codings) {
    coding_times times{std::vector(codings, std::vector<double>(net.nodes.size(), 0)), 700.5};
    for (const std::size_t i : products_of(net)) {
        double t = 1000 + 2000 * static_cast<double>(random_uniform(1, i, 0));
        for (std::size_t c = 0; c < codings; ++c) {
            times.products[c][i] = t;
            t *= 0.97 - 0.37 * static_cast<double>(random_uniform(1, i, c + 1));
        }
    }
    return times;
}

struct cost_and_error {
    dim_t cost = 0;
    double error = 0;
};

cost_and_error of(const std::vector<layer_profile>& layers, const std::vector<std::size_t>& choice) {
    cost_and_error sum;
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const plane_choice& c = layers[l].choices[choice[l]];
        sum.cost += c.cost;
        sum.error += perturbation_term(layers[l].sensitivity, c.nmse);
    }
    return sum;
}

/// The least error of all combinations of four codings.
double brute_force(const std::vector<layer_profile>& layers, dim_t budget) {
    double best = std::numeric_limits<double>::infinity();
    std::vector<std::size_t> choice(layers.size(), 0);
    for (std::size_t place = 0; place < choice.size();) {
        const cost_and_error sum = of(layers, choice);
        if (sum.cost <= budget) best = std::min(best, sum.error);
        for (place = 0; place < choice.size() && ++choice[place] == four_codings.size(); ++place) choice[place] = 0;
    }
    return best;
}

convert_options options_for(const nn::network& net, double milliseconds) {
    convert_options o;
    o.input.assign(static_cast<std::size_t>(nn::image_shape(net, 1)[3]), {0, 0.5F, -1, 1});
    o.coding.feedback = false;
    o.noise = 2;
    o.milliseconds = milliseconds;
    o.times = [](const folded_network& folded, const calibration&, std::span<const weight_coding> codings) {
        return made_up(folded.net, codings.size());
    };
    return o;
}

dim_t all_in(const coding_times& times, std::size_t coding) {
    dim_t sum = static_cast<dim_t>(std::ceil(times.others));
    for (const double t : times.products[coding]) sum += static_cast<dim_t>(std::ceil(t));
    return sum;
}

bool all_in_bytes(const conversion& made) {
    return std::all_of(made.codings.begin(), made.codings.end(), [](const weight_coding& c) { return c.step == 0; });
}

} // namespace

TEST_CASE("a coarser coding is charged less only where it is quicker beyond noise", "[unit]") {
    const std::vector<double> errors{0, 1, 2, 3, 4, 5};
    REQUIRE(charged_times(std::vector<double>{100, 99, 97, 96.5, 120, 90.2}, errors) ==
            std::vector<dim_t>{100, 100, 97, 97, 97, 91});
    // by error, wherever they stand
    REQUIRE(charged_times(std::vector<double>{90, 99, 100}, std::vector<double>{2, 1, 0}) ==
            std::vector<dim_t>{90, 100, 100});
    REQUIRE(charged_times({}, {}).empty());
}

TEST_CASE("a budget of time is kept, monotone, and the best of all choices", "[unit]") {
    const nn::network net = odd::residual();
    const folded_network folded = infer::fold(net, random_parameters(net));
    std::vector<std::size_t> nodes = products_of(folded.net);
    nodes.resize(std::min<std::size_t>(nodes.size(), 6));
    std::vector<double> sensitivity(folded.net.nodes.size(), 0);
    for (std::size_t k = 0; k < nodes.size(); ++k) sensitivity[nodes[k]] = 0.3 / static_cast<double>(1 + k);
    const coding_times times = made_up(folded.net, four_codings.size());
    const std::vector<layer_profile> layers = profile_times(folded, nodes, sensitivity, four_codings, times);
    const dim_t least = of(layers, std::vector<std::size_t>(nodes.size(), 3)).cost,
                most = of(layers, std::vector<std::size_t>(nodes.size(), 0)).cost;
    constexpr dim_t beside = 1234;
    double before = std::numeric_limits<double>::infinity();
    for (int part = 0; part <= 10; ++part) {
        CAPTURE(part);
        const dim_t budget = least + (most - least) * part / 10;
        const double ms = (static_cast<double>(budget + beside) + 0.5) / 1e6;
        const cost_and_error sum = of(layers, choose_within_time(layers, beside, ms));
        REQUIRE(sum.cost <= budget);
        REQUIRE(sum.error == Approx(brute_force(layers, budget)).margin(1e-12));
        REQUIRE(sum.error <= before);
        before = sum.error;
    }
    REQUIRE(before == 0); // 8-8 everywhere
    REQUIRE(of(layers, choose_within_time(layers, beside, 1e300)).error == 0);
    const double too_little = (static_cast<double>(least + beside) - 0.5) / 1e6;
    REQUIRE(mentions<value_error>([&] { choose_within_time(layers, beside, too_little); }, join(too_little),
                                  "can't be had", join(std::ceil(static_cast<double>(least + beside) / 1e3) / 1e3),
                                  "ask for more"));
}

TEST_CASE("a conversion keeps the time that was asked for, or says what can be had", "[unit]") {
    const nn::network net = odd::residual();
    const nn::parameters weights = random_parameters(net);
    const folded_network folded = infer::fold(net, weights);
    const std::size_t codings = detail::choices_of({}, true).size();
    const coding_times times = made_up(folded.net, codings);
    const double in_bytes = static_cast<double>(all_in(times, 0)) / 1e6;
    // as much as 8-8 takes is enough for it
    const conversion finest = convert(net, weights, options_for(net, in_bytes));
    REQUIRE(all_in_bytes(finest));
    REQUIRE(finest.time.value().sum() == all_in(times, 0));
    double before = 0;
    for (const double share : {0.5, 0.7, 0.9}) {
        CAPTURE(share);
        convert_options options = options_for(net, share * in_bytes);
        options.ends_in_bytes = false;
        options.levels = share == 0.7 ? 3 : 1; // the coarsest level keeps it
        const conversion made = convert(net, weights, options);
        const double predicted = static_cast<double>(made.time.value().sum()) / 1e6;
        REQUIRE(predicted <= share * in_bytes);
        REQUIRE(predicted >= before);
        before = predicted;
        REQUIRE_FALSE(all_in_bytes(made));
        REQUIRE(made.time->others == 701);
        const std::vector<weight_coding> choices = detail::choices_of(options.coding, true);
        for (const std::size_t i : products_of(folded.net)) {
            weight_coding coding = made.codings[i];
            REQUIRE(coding.divisors.empty() == (options.levels == 1 || coding.step == 0));
            coding.divisors.clear();
            const auto at = std::find(choices.begin(), choices.end(), coding) - choices.begin();
            REQUIRE(made.time->products[i] ==
                    static_cast<dim_t>(std::ceil(times.products[static_cast<std::size_t>(at)][i])));
        }
        REQUIRE(made.network.level_count() == options.levels);
    }
    REQUIRE(mentions<value_error>([&] { convert(net, weights, options_for(net, 1e-4)); }, "1e-04 ms", "can't be had"));
    // other codings have their numbers of planes, and 8-8
    convert_options planes = options_for(net, 0.7 * in_bytes);
    planes.coding.family = coding_family::greedy;
    planes.coding.planes = 2;
    planes.ends_in_bytes = false;
    REQUIRE(convert(net, weights, planes).time.value().sum() <= static_cast<dim_t>(0.7 * in_bytes * 1e6));
}

TEST_CASE("a budget of time needs times, and no other budget beside it", "[unit]") {
    const nn::network net = odd::residual();
    const nn::parameters weights = random_parameters(net);
    const auto refused = [&](const auto& change) {
        convert_options options = options_for(net, 1);
        change(options);
        return mentions<value_error>([&] { convert(net, weights, options); }, "give one budget");
    };
    REQUIRE(refused([](convert_options& o) { o.times = {}; }));
    REQUIRE(refused([](convert_options& o) { o.size = 2; }));
    REQUIRE(refused([](convert_options& o) { o.error = 0.1; }));
    REQUIRE(refused([](convert_options& o) { o.milliseconds = -1; }));
    convert_options options = options_for(net, 1);
    options.times = [](const folded_network& folded, const calibration&, std::span<const weight_coding>) {
        return made_up(folded.net, 1);
    };
    REQUIRE(mentions<shape_error>([&] { convert(net, weights, options); }, "of 1 codings, expected"));
    options.times = [](const folded_network& folded, const calibration&, std::span<const weight_coding> codings) {
        coding_times times = made_up(folded.net, codings.size());
        times.products.back().back() = -1;
        return times;
    };
    REQUIRE(mentions<value_error>([&] { convert(net, weights, options); }, "-1 ns"));
}

TEST_CASE("all codings of all products are timed", "[unit]") {
    for (const nn::network& net : {models::digits_cnn(), models::cifar_resnet(8)}) {
        const folded_network folded = infer::fold(net, random_parameters(net));
        calibrator measuring(folded, 16, false);
        measuring.add(random_images(nn::image_shape(net, 1)));
        const calibration measured = std::move(measuring).finish();
        const std::vector<weight_coding> codings = detail::choices_of({}, true);
        std::string last;
        dim_t left = -1;
        const coding_times times =
            time_codings(folded, measured, codings, {},
                         {.seconds = 0, .progress = [&](const std::string& phase, dim_t done, dim_t total) {
                              last = phase, left = total - done;
                          }});
        REQUIRE(last == "timing codings");
        REQUIRE(left == 0);
        check(times, codings.size(), folded.net.nodes.size());
        REQUIRE(times.others > 0);
        for (const std::vector<double>& of_nodes : times.products)
            for (std::size_t i = 0; i < of_nodes.size(); ++i)
                REQUIRE((of_nodes[i] > 0) == detail::is_product(folded.net.nodes[i].op));
        REQUIRE(time_codings(folded, measured, {}).products.empty());
    }
}

} // namespace intaglio::infer
