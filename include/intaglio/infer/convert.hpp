// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a trained network to a coded one, in one call and without data: fold, measure on noise images, choose steps by
// sensitivity, code with error feedback, and set up the dial. Each part is a header of its own that can be used alone:
//
//   fold.hpp -> noise_images.hpp -> calibration.hpp -> sensitivity.hpp -> step_budget.hpp -> encode.hpp -> dial.hpp

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/calibration.hpp"
#include "intaglio/infer/dial.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/noise_images.hpp"
#include "intaglio/infer/sensitivity.hpp"
#include "intaglio/infer/step_budget.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

struct convert_options {
    std::vector<channel_values> input; ///< of each channel of the images
    /// Bytes of 8-8 over bytes of the coarsest level, all that a product takes counted; 0: all steps are `step`.
    double size = 0;
    double step = 0;           ///< in root mean squares of a channel; 0: 8-8
    int levels = 1;            ///< of the dial; from 2 on each product gets a finer plane
    int divisor = 3;           ///< of the step, for the finer plane
    bool ends_in_bytes = true; ///< the first and the last product are 8-8, with whatever else
    bool feedback = true;      ///< of rounding errors
    bool correct_bias = true;  ///< by the mean error
    dim_t noise = 0;           ///< images; 0: 250, and 40 of more than 64 pixels a side
    float reach = 1.25F;       ///< of ranges, over the largest values that were seen
    std::uint64_t seed = 1;    ///< of the noise
    /// Images to measure instead of noise, batch after batch; none at the end.
    std::function<std::optional<tensor<float>>()> images{};
    /// Told what is going on: a phase, and how much of it is done.
    std::function<void(const std::string& phase, dim_t done, dim_t total)> progress{};
};

struct conversion {
    coded_network network;
    std::vector<double> steps;       ///< of each node, 0 for 8-8 and where there is no product
    std::vector<double> sensitivity; ///< of each node, where it was measured; otherwise empty
};

namespace detail {

/// The sensitivities with which steps are chosen. Noise images excite the last layers less than photographs do, so what
/// was measured counts half, and the sizes of products, as if all weights were equally sensitive, the other half.
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
        result[i] = std::sqrt(share * size);
    }
    return result;
}

} // namespace detail

/// Converts the part of a network that answers. Throws as fold does, and value_error for options that can't be met: a
/// size that not even the coarsest steps reach.
inline conversion convert(const nn::network& net, const nn::parameters& weights, const convert_options& options,
                          executor_ref exec = {}) {
    const float_environment scope;
    require<value_error>(options.levels >= 1 && options.levels <= 16, "convert: ", options.levels,
                         " levels; 1 to 16 are supported");
    require<value_error>(options.step >= 0 && options.size >= 0, "convert: a step of ", options.step, ", a size of ",
                         options.size);
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

    calibrator measuring(folded, large ? 375 : 160, options.feedback && (options.step > 0 || options.size > 0), exec);
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
    result.steps.assign(folded.net.nodes.size(), 0);
    std::vector<std::size_t> nodes = products_of(folded.net);
    const auto count = static_cast<dim_t>(nodes.size());
    std::vector<std::size_t> ends;
    if (options.ends_in_bytes) {
        for (const std::size_t end : {nodes.front(), nodes.back()}) ends.push_back(end);
        std::erase_if(nodes, [&](std::size_t i) { return i == ends[0] || i == ends[1]; });
    }
    if (options.levels > 1 || options.size > 0) {
        constexpr double measured_step = 0.7;
        result.sensitivity =
            measure_sensitivity(folded, measured, noise_batch(noise, large ? 4 : 64), measured_step, exec,
                                [&](dim_t done, const std::string&) { tell("measuring sensitivity", done, count); });
        tell("measuring sensitivity", count, count);
        if (options.size > 0) {
            // entropies are those of nearest codes; feedback spreads codes a little
            const std::vector<double> chosen =
                choose_steps(folded, nodes, detail::moderated(folded, nodes, result.sensitivity), measured_step,
                             code_budget(folded, nodes, options.size), usual_steps, exec);
            for (std::size_t k = 0; k < nodes.size(); ++k) result.steps[nodes[k]] = chosen[k];
        }
    }
    if (options.size == 0)
        for (const std::size_t i : nodes) result.steps[i] = options.step;

    result.network = encode(
        folded, measured,
        [&](std::size_t node) {
            weight_coding coding{
                .step = result.steps[node], .feedback = options.feedback, .correct_bias = options.correct_bias};
            if (options.levels > 1 && coding.step > 0) coding.divisors = {options.divisor};
            return coding;
        },
        exec, [&](dim_t done, const std::string&) { tell("coding", done, count); });
    tell("coding", count, count);
    if (options.levels > 1) set_levels(result.network, result.sensitivity, result.steps, options.levels);
    return result;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
