// SPDX-License-Identifier: Apache-2.0
#pragma once

// "At most B bytes of file, or of memory", "at most T ms", or "at most so much error", turned into a coding for each
// product. Each may take any of some codings. Their costs are the entropy of the codes, or the bytes of the packed
// weights, or nanoseconds that were measured (coding_times.hpp); their error is the product's sensitivity
// (sensitivity.hpp) times the relative squared error that they make. The choice is the knapsack of quantize/budget.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/infer/coding_times.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/stored_bytes.hpp"
#include "intaglio/quantize/budget.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// The squared error of each number of planes, relative to the squared weights; of steps as error_of_step says, since
/// feedback makes errors larger that harm less.
inline std::vector<double> plane_errors(const coded_product& product, std::span<const float> weights,
                                        const weight_coding& coding) {
    std::vector<double> errors;
    double step = coding.step, power = 0;
    for (const float w : weights) power += static_cast<double>(w) * static_cast<double>(w);
    for (int p = 1; p <= product.plane_count(); ++p) {
        if (coding.family == coding_family::steps) {
            step /= product.planes[static_cast<std::size_t>(p - 1)].divisor;
            errors.push_back(error_of_step(step));
            continue;
        }
        const channel_codes codes = sum_of_planes(product, p);
        const dim_t cols = std::max<dim_t>(1, product.cols());
        double error = 0;
        for (dim_t i = 0; i < codes.codes.size(); ++i) {
            const double e = static_cast<double>(weights[static_cast<std::size_t>(i)]) -
                             static_cast<double>(codes.steps[static_cast<std::size_t>(i / cols)]) * codes.codes[i];
            error += e * e;
        }
        errors.push_back(power > 0 ? error / power : 0);
    }
    return errors;
}

/// What bytes are counted of.
enum class budget_of { file, memory };

/// The bytes for the codes of `nodes` with which all products of a network together are `size` times smaller than in
/// 8-8, which has a step and a bias for each channel too. Products that are not in `nodes` stay 8-8; `beside_products`
/// bytes are in both files, as the graph is. At most 0 where what is not coded takes all.
inline dim_t code_budget(const folded_network& folded, std::span<const std::size_t> nodes, double size,
                         dim_t beside_products = 0, budget_of kind = budget_of::file) {
    const bool in_file = kind == budget_of::file;
    double bytes = in_file ? static_cast<double>(beside_products) : 0, fixed = bytes;
    for (const std::size_t i : products_of(folded.net)) {
        const tensor<float>& w = detail::weights_of(folded, i);
        const bool coded = std::find(nodes.begin(), nodes.end(), i) != nodes.end();
        const auto beside =
            static_cast<double>(in_file ? bytes_beside_codes(w.shape()[0]) : memory_of_channel * w.shape()[0]);
        bytes += static_cast<double>(w.size()) + beside;
        fixed += beside;
        if (coded) continue;
        const channel_steps steps = detail::steps_of_rows(w.span(), w.shape()[0], 0);
        std::vector<std::int8_t> codes(static_cast<std::size_t>(w.size()));
        code_rows(w.data(), w.shape()[0], std::ssize(codes) / std::max<dim_t>(1, w.shape()[0]), steps.values(), 127,
                  nullptr, codes.data());
        // 8-8 is entropy-coded in the file too
        fixed += in_file ? entropy_bytes(codes) : compact_share(codes) * static_cast<double>(codes.size());
    }
    constexpr double feedback_widens = 1.02; // codes with feedback have this much more entropy than nearest ones
    return static_cast<dim_t>((bytes / size - fixed) / feedback_widens);
}

/// Steps that are worth a choice of bytes, from the finest to the coarsest.
inline std::vector<weight_coding> usual_steps() {
    std::vector<weight_coding> list;
    for (const double c : {0.2, 0.25, 0.3, 0.35, 0.42, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5})
        list.push_back({.step = c});
    return list;
}

/// Steps so coarse that hardly a code is more than a trit, for a budget of time: trits are read faster than bytes where
/// weights are outside the caches.
inline std::vector<weight_coding> trit_steps() { return {{.step = 1.75}, {.step = 2.0}, {.step = 2.4}}; }

namespace detail {

/// Weights (rows, K) in a coding, rounded by themselves.
inline coded_product code_alone(const tensor<float>& weights, weight_coding coding) {
    coding.correct_bias = coding.feedback = false;
    coding.divisors.clear();
    const dim_t rows = weights.shape()[0];
    input_statistics inputs;
    inputs.size = rows > 0 ? weights.size() / rows : 0;
    inputs.mean.assign(static_cast<std::size_t>(inputs.size), 0.0F);
    return code_product(weights.span(), std::vector<float>(static_cast<std::size_t>(rows), 0.0F), inputs, coding);
}

/// A profile of each product in `nodes`, whose choices add(choices, node, weights) makes.
template <class Add>
std::vector<layer_profile> profile_products(const folded_network& folded, std::span<const std::size_t> nodes,
                                            executor_ref exec, const Add& add) {
    const float_environment scope;
    std::vector<layer_profile> layers(nodes.size());
    exec.for_each(std::ssize(nodes), [&](dim_t n, int) {
        const std::size_t node = nodes[static_cast<std::size_t>(n)];
        layer_profile& layer = layers[static_cast<std::size_t>(n)];
        layer.name = folded.net.nodes[node].name;
        layer.sensitivity = 1;
        add(layer.choices, node, weights_of(folded, node));
    });
    return layers;
}

} // namespace detail

/// What each of some codings costs each product in `nodes` and how it errs; `sensitivity` of each node for a relative
/// squared error of 1. Weights are rounded by themselves, which takes a little less than with feedback.
inline std::vector<layer_profile> profile_codings(const folded_network& folded, std::span<const std::size_t> nodes,
                                                  std::span<const double> sensitivity,
                                                  std::span<const weight_coding> codings, executor_ref exec = {},
                                                  budget_of kind = budget_of::file) {
    return detail::profile_products(folded, nodes, exec, [&](auto& choices, std::size_t node, const tensor<float>& w) {
        for (const weight_coding& coding : codings) {
            const coded_product product = detail::code_alone(w, coding);
            double bytes = 0;
            if (kind == budget_of::memory)
                bytes = memory_bytes(product, product.plane_count()) -
                        static_cast<double>(memory_of_channel * product.rows());
            else
                for (std::size_t p = 0; p < product.planes.size(); ++p) bytes += plane_bytes(product, p);
            choices.push_back({product.plane_count(), static_cast<dim_t>(std::ceil(bytes)),
                               sensitivity[node] * plane_errors(product, w.span(), coding).back()});
        }
    });
}

/// The same for a budget of time: what each product is charged for each coding (coding_times.hpp), in nanoseconds.
inline std::vector<layer_profile> profile_times(const folded_network& folded, std::span<const std::size_t> nodes,
                                                std::span<const double> sensitivity,
                                                std::span<const weight_coding> codings, const coding_times& times,
                                                executor_ref exec = {}) {
    check(times, codings.size(), folded.net.nodes.size());
    return detail::profile_products(folded, nodes, exec, [&](auto& choices, std::size_t node, const tensor<float>& w) {
        std::vector<double> measured, errors;
        for (std::size_t c = 0; c < codings.size(); ++c) {
            measured.push_back(times.products[c][node]);
            errors.push_back(codings[c].family == coding_family::steps
                                 ? error_of_step(codings[c].step) // as plane_errors has it
                                 : plane_errors(detail::code_alone(w, codings[c]), w.span(), codings[c]).back());
        }
        const std::vector<dim_t> charged = charged_times(measured, errors);
        for (std::size_t c = 0; c < codings.size(); ++c)
            choices.push_back({codings[c].planes, charged[c], sensitivity[node] * errors[c]});
    });
}

/// For each layer the coding of least error in all with at most `budget` bytes together, as a place in its choices.
/// value_error where the smallest codings take more.
inline std::vector<std::size_t> choose_within_bytes(std::span<const layer_profile> layers, dim_t budget) {
    return choose_planes(layers, budget).choice;
}

/// For each layer of profile_times the coding of least error in all with which an image takes at most so many
/// milliseconds, as a place in its choices; `beside` nanoseconds go to what these layers are not. value_error, which
/// says what can be had, where the quickest codings take more.
inline std::vector<std::size_t> choose_within_time(std::span<const layer_profile> layers, dim_t beside,
                                                   double milliseconds) {
    const float_environment scope;
    constexpr double longest = 1e18; // nanoseconds
    const auto budget = static_cast<dim_t>(std::clamp(milliseconds * 1e6, 0.0, longest));
    dim_t quickest = beside, finest = beside;
    for (const layer_profile& layer : layers) {
        const auto cost = [](const plane_choice& a, const plane_choice& b) { return a.cost < b.cost; };
        const auto error = [](const plane_choice& a, const plane_choice& b) { return a.nmse < b.nmse; };
        quickest += std::min_element(layer.choices.begin(), layer.choices.end(), cost)->cost;
        finest += std::min_element(layer.choices.begin(), layer.choices.end(), error)->cost;
    }
    const auto in_ms = [](dim_t time) { return std::ceil(static_cast<double>(time) / 1e3) / 1e3; };
    require<value_error>(quickest <= budget, milliseconds, " ms an image can't be had here: with the quickest codings ",
                         "it is predicted to take ", in_ms(quickest), " ms, with the finest ", in_ms(finest),
                         "; ask for more, or run it on more threads");
    return choose_planes(layers, budget - beside).choice;
}

/// For each layer a coding, so that the errors of all sum to at most `most` (the squared share of the answer that
/// moves), with few bytes: the smallest budget of choose_within_bytes that does, found by bisection to 1 in 1,000.
/// value_error where the finest codings err more.
inline std::vector<std::size_t> choose_within_error(std::span<const layer_profile> layers, double most) {
    const float_environment scope;
    const auto error_of = [&](const std::vector<std::size_t>& choice) {
        double sum = 0;
        for (std::size_t l = 0; l < layers.size(); ++l) sum += layers[l].choices[choice[l]].nmse;
        return sum;
    };
    dim_t least = 0, enough = 0;
    double finest = 0;
    for (const layer_profile& layer : layers) {
        const auto cost = [](const plane_choice& a, const plane_choice& b) { return a.cost < b.cost; };
        const auto [low, high] = std::minmax_element(layer.choices.begin(), layer.choices.end(), cost);
        least += low->cost, enough += high->cost, finest += high->nmse;
    }
    require<value_error>(finest <= most, "an error of ", most, ": the finest codings are estimated to err by ", finest);
    std::vector<std::size_t> best = choose_within_bytes(layers, enough);
    while (enough - least > std::max<dim_t>(1, enough / 1000)) {
        const dim_t middle = least + (enough - least) / 2;
        const std::vector<std::size_t> choice = choose_within_bytes(layers, middle);
        if (error_of(choice) <= most)
            enough = middle, best = choice;
        else
            least = middle;
    }
    return best;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
