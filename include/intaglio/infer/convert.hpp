// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a trained network to a coded one, in one call and without data: fold, measure on noise images, choose codings by
// sensitivity, code, and set up the dial. Each part is a header of its own that can be used alone:
//
//   fold.hpp -> noise_images.hpp -> calibration.hpp -> sensitivity.hpp -> coding_budget.hpp -> encode.hpp -> dial.hpp
//
// It compiles no kernels of integers: a budget of time takes its times from the caller (coding_clock.hpp measures).

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/calibration.hpp"
#include "intaglio/infer/coding_times.hpp"
#include "intaglio/infer/dial.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/noise_images.hpp"
#include "intaglio/infer/sensitivity.hpp"
#include "intaglio/infer/coding_budget.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

struct convert_options {
    std::vector<channel_values> input; ///< of each channel of the images
    /// Of all products. Of `steps`, planes get divisors when there are levels.
    weight_coding coding{};
    /// Bytes of 8-8 over bytes of the file, all that a product takes counted; of a dial of steps, of the file up to the
    /// coarsest level. 0: all are coded as `coding`.
    double size = 0;
    dim_t beside_products = 0; ///< bytes of the file that are in one of 8-8 too, for `size`: the graph, names
    /// Instead: bytes of 8-8 over bytes of the packed weights in memory, of a dial of steps at its coarsest level, if
    /// all are stored in as few bits as they need (weight_memory::small).
    double memory = 0;
    double error = 0; ///< instead: the estimated squared share of the answer that moves, at most, likewise
    /// Instead: milliseconds that an image takes at most, of a dial at its coarsest level, by the times that `times`
    /// tells for these codings of all products: what time_codings (coding_clock.hpp) measures.
    double milliseconds = 0;
    std::function<coding_times(const folded_network&, const calibration&, std::span<const weight_coding>)> times{};
    int levels = 1;  ///< of the dial; from 2 on each product of steps gets a finer plane
    int divisor = 3; ///< of the step, for the finer plane
    /// The first and the last product are 8-8, with whatever else. Where a size is asked for, the last is coded in fine
    /// steps, and one that has more than an eighth of all weights, as the last of SqueezeNet, like the others.
    bool ends_in_bytes = true;
    dim_t noise = 0;        ///< images; 0: 250, and 40 of more than 64 pixels a side
    float reach = 1.25F;    ///< of ranges, over the largest values that were seen
    std::uint64_t seed = 1; ///< of the noise
    /// Images to measure instead of noise, batch after batch; none at the end.
    std::function<std::optional<tensor<float>>()> images{};
    /// Told what is going on: a phase, and how much of it is done.
    std::function<void(const std::string& phase, dim_t done, dim_t total)> progress{};
};

struct conversion {
    coded_network network;
    std::vector<weight_coding> codings; ///< of each node, 8-8 where there is no product
    std::vector<double> sensitivity;    ///< of each node to a relative squared error of 1, if measured; otherwise empty
    std::optional<image_time> time;     ///< predicted of the coarsest level, where milliseconds were asked for
};

namespace detail {

/// Of a last product in fine steps: the coarsest of usual_steps.
inline constexpr double coarsest_at_the_end = 0.35;

/// The sensitivities with which codings are chosen. Noise images excite the last layers less than photographs do, so
/// what was measured counts half, and the sizes of products, as if all weights were equally sensitive, the other half.
inline std::vector<double> moderated(const folded_network& folded, std::span<const std::size_t> nodes,
                                     std::span<const double> measured) {
    std::vector<double> result(measured.begin(), measured.end());
    double sum = 0, weights = 0;
    for (const std::size_t i : nodes) {
        sum += measured[i];
        weights += static_cast<double>(folded.weights[folded.weights.place(i, nn::parameter_role::weight)].size());
    }
    if (sum <= 0) sum = 1;
    for (const std::size_t i : nodes) {
        const double share = measured[i] / sum,
                     size = static_cast<double>(
                                folded.weights[folded.weights.place(i, nn::parameter_role::weight)].size()) /
                            weights;
        result[i] = sum * std::sqrt(share * size);
    }
    return result;
}

/// What a budget chooses from: steps, or numbers of planes up to the coding's. One of time has 8-8 before them, and
/// trits behind steps.
inline std::vector<weight_coding> choices_of(const weight_coding& coding, bool of_time) {
    std::vector<weight_coding> list;
    if (coding.family == coding_family::steps) {
        list = usual_steps();
        const std::vector<weight_coding> trits = trit_steps();
        if (of_time) list.insert(list.end(), trits.begin(), trits.end());
        for (weight_coding& c : list) c.feedback = coding.feedback;
    } else {
        list.assign(static_cast<std::size_t>(coding.planes), coding);
        for (std::size_t p = 0; p < list.size(); ++p) list[p].planes = static_cast<int>(p) + 1;
    }
    if (of_time) list.insert(list.begin(), weight_coding{});
    for (weight_coding& c : list) c.correct_bias = coding.correct_bias;
    return list;
}

/// The budget of bytes for the codes of `nodes`; value_error, which says what can be had, where the smallest codings
/// take more.
inline dim_t reachable_budget(const folded_network& folded, std::span<const std::size_t> nodes,
                              std::span<const layer_profile> layers, const convert_options& options, budget_of kind) {
    const double wanted = kind == budget_of::file ? options.size : options.memory;
    const auto budget = [&](double size) { return code_budget(folded, nodes, size, options.beside_products, kind); };
    dim_t least = 0;
    for (const layer_profile& layer : layers)
        least += std::min_element(layer.choices.begin(), layer.choices.end(), [](const auto& a, const auto& b) {
                     return a.cost < b.cost;
                 })->cost;
    if (budget(wanted) >= least) return budget(wanted);
    double size = wanted, below = 0; // what the smallest codings reach, by bisection
    for (int i = 0; i < 40; ++i) {
        const double middle = (size + below) / 2;
        (budget(middle) >= least ? below : size) = middle;
    }
    const bool ends = std::ssize(nodes) < std::ssize(products_of(folded.net));
    fail<value_error>("convert: ", wanted, " times smaller than 8-8 ", kind == budget_of::file ? "" : "in memory ",
                      "can't be had: with the coarsest codings it is ", std::floor(100 * below) / 100,
                      " times; ask for less",
                      options.coding.family == coding_family::steps ? "" : ", or for the coding of steps",
                      ends ? ", or let the first and the last layer be coded like the others" : "");
}

} // namespace detail

/// Converts the part of a network that answers. Throws as fold does, and value_error for options that can't be met: a
/// size that not even the coarsest codings reach, a time that not even the quickest do.
inline conversion convert(const nn::network& net, const nn::parameters& weights, const convert_options& options,
                          executor_ref exec = {}) {
    const float_environment scope;
    require<value_error>(options.levels >= 1 && options.levels <= 16, "convert: ", options.levels,
                         " levels; 1 to 16 are supported");
    require<value_error>(options.coding.step >= 0 && options.size >= 0 && options.error >= 0, "convert: a step of ",
                         options.coding.step, ", a size of ", options.size, ", an error of ", options.error);
    require<value_error>(options.size == 0 || options.error == 0, "convert: a size of ", options.size,
                         " and an error of ", options.error, "; give one of them");
    check(options.coding);
    require<value_error>(options.memory >= 0 && (options.memory == 0 || (options.size == 0 && options.error == 0)),
                         "convert: a size of ", options.memory, " in memory beside another budget; give one of them");
    require<value_error>(options.milliseconds >= 0 &&
                             (options.milliseconds == 0 ||
                              (options.size == 0 && options.memory == 0 && options.error == 0 && options.times)),
                         "convert: ", options.milliseconds,
                         " ms beside another budget or without times; give one budget, and times for this one");
    const bool of_bytes = options.size > 0 || options.memory > 0, of_time = options.milliseconds > 0,
               budget = of_bytes || of_time || options.error > 0;
    const folded_network folded = infer::fold(net, weights);
    const extents one = nn::image_shape(folded.net, 1);
    require(static_cast<dim_t>(options.input.size()) == one[3], "convert: values of ", options.input.size(),
            " channels, images have ", one[3]);
    const auto tell = [&](const char* phase, dim_t done, dim_t total) {
        if (options.progress) options.progress(phase, done, total);
    };
    const bool large = std::max(one[1], one[2]) > 64;
    const dim_t noise = options.noise > 0 ? options.noise : large ? 40 : 250;
    const auto noise_batch = [&](dim_t first, dim_t count) {
        return noise_images(first, count, one[1], one[2], options.input, options.seed, exec);
    };

    const bool feeds_back =
        options.coding.family == coding_family::steps && options.coding.feedback && (options.coding.step > 0 || budget);
    calibrator measuring(folded, large ? 375 : 160, feeds_back, exec);
    if (options.images) {
        for (dim_t done = 0;; ++done) {
            tell("measuring images", done, done + 1);
            const std::optional<tensor<float>> batch = options.images();
            if (!batch) break;
            measuring.add(*batch);
        }
    } else {
        const dim_t batch = large ? 1 : 10;
        for (dim_t i = 0; i < noise; i += batch) {
            tell("measuring noise images", i, noise);
            measuring.add(noise_batch(i, std::min(batch, noise - i)));
        }
        tell("measuring noise images", noise, noise);
    }
    calibration measured = std::move(measuring).finish();
    for (value_range& r : measured.ranges) r.low *= options.reach, r.high *= options.reach;
    measured.ranges[0] = {options.input[0].low, options.input[0].high}; // known
    for (const channel_values& c : options.input) measured.ranges[0].include({c.low, c.high});

    conversion result;
    result.codings.assign(folded.net.nodes.size(), {});
    for (weight_coding& c : result.codings) c.correct_bias = options.coding.correct_bias;
    std::vector<std::size_t> nodes = products_of(folded.net);
    const auto count = static_cast<dim_t>(nodes.size());
    std::vector<std::size_t> ends;
    bool fine_end = false; // the last product is coded in fine steps
    if (options.ends_in_bytes) {
        dim_t weights_of_all = 0;
        for (const std::size_t i : nodes) weights_of_all += detail::weights_of(folded, i).size();
        for (const std::size_t end : {nodes.front(), nodes.back()})
            if (!of_bytes || detail::weights_of(folded, end).size() <= weights_of_all / 8) ends.push_back(end);
        fine_end = of_bytes && options.coding.family == coding_family::steps && !ends.empty() &&
                   ends.back() == nodes.back() && nodes.size() > 1;
        if (fine_end) ends.pop_back();
        std::erase_if(nodes, [&](std::size_t i) { return std::find(ends.begin(), ends.end(), i) != ends.end(); });
    }
    if (options.levels > 1 || budget) {
        constexpr double measured_step = 0.7;
        result.sensitivity =
            measure_sensitivity(folded, measured, noise_batch(noise, large ? 4 : 64), measured_step, exec,
                                [&](dim_t done, const std::string&) { tell("measuring sensitivity", done, count); });
        tell("measuring sensitivity", count, count);
        for (double& s : result.sensitivity) s /= error_of_step(measured_step);
    }
    for (const std::size_t i : nodes) result.codings[i] = options.coding;
    if (of_time) {
        const std::vector<weight_coding> choices = detail::choices_of(options.coding, true);
        const coding_times times = options.times(folded, measured, choices);
        const std::vector<layer_profile> layers =
            profile_times(folded, nodes, detail::moderated(folded, nodes, result.sensitivity), choices, times, exec);
        image_time& time = result.time.emplace();
        time.products.resize(folded.net.nodes.size());
        time.others = static_cast<dim_t>(std::ceil(times.others));
        for (const std::size_t end : ends) time.products[end] = static_cast<dim_t>(std::ceil(times.products[0][end]));
        const std::vector<std::size_t> chosen = choose_within_time(layers, time.sum(), options.milliseconds);
        for (std::size_t k = 0; k < nodes.size(); ++k) {
            result.codings[nodes[k]] = choices[chosen[k]];
            time.products[nodes[k]] = layers[k].choices[chosen[k]].cost;
        }
    } else if (budget && !nodes.empty()) {
        const std::vector<weight_coding> choices = detail::choices_of(options.coding, false);
        const budget_of kind = options.memory > 0 ? budget_of::memory : budget_of::file;
        std::vector<layer_profile> layers = profile_codings(
            folded, nodes, of_bytes ? detail::moderated(folded, nodes, result.sensitivity) : result.sensitivity,
            choices, exec, kind);
        if (fine_end)
            layers.back().choices.resize(
                static_cast<std::size_t>(std::count_if(choices.begin(), choices.end(), [](const weight_coding& c) {
                    return c.step <= detail::coarsest_at_the_end;
                })));
        const std::vector<std::size_t> chosen =
            of_bytes ? choose_within_bytes(layers, detail::reachable_budget(folded, nodes, layers, options, kind))
                     : choose_within_error(layers, options.error);
        for (std::size_t k = 0; k < nodes.size(); ++k) result.codings[nodes[k]] = choices[chosen[k]];
    }
    if (options.levels > 1)
        for (const std::size_t i : nodes)
            if (weight_coding& c = result.codings[i]; c.family == coding_family::steps && c.step > 0)
                c.divisors = {options.divisor};

    result.network = encode(
        folded, measured, [&](std::size_t node) { return result.codings[node]; }, exec,
        [&](dim_t done, const std::string&) { tell("coding", done, count); });
    tell("coding", count, count);
    if (options.levels > 1) {
        std::vector<std::vector<double>> errors(folded.net.nodes.size());
        for (const std::size_t i : products_of(folded.net))
            errors[i] =
                plane_errors(*result.network.products[i], detail::weights_of(folded, i).span(), result.codings[i]);
        set_levels(result.network, detail::moderated(folded, products_of(folded.net), result.sensitivity), errors,
                   options.levels);
    }
    return result;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
