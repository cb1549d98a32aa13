// SPDX-License-Identifier: Apache-2.0
#pragma once

// "At most B bytes of file" turned into a step for each product: each may be coded in any of some steps, whose bytes
// are the entropy of its codes and whose error is its sensitivity (sensitivity.hpp) times the square of the step. The
// choice is the knapsack of quantize/budget.hpp.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/quantize/budget.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// Shannon's bound on the bytes of codes that are coded one by one.
inline double entropy_bytes(std::span<const std::int8_t> codes) {
    std::array<double, 256> counts{};
    for (const std::int8_t c : codes) counts[static_cast<std::uint8_t>(c)] += 1;
    double bits = 0;
    for (const double n : counts)
        if (n > 0) bits -= n * std::log2(n / static_cast<double>(codes.size()));
    return bits / 8;
}

/// What a product takes in a file beside its codes: a step and a bias for each channel, and a head (io/model_file.hpp).
inline dim_t bytes_beside_codes(dim_t channels) { return 36 + 3 * channels; }

/// The bytes for the codes of `nodes` with which all products of a network together are `size` times smaller than in
/// 8-8, which has a step and a bias for each channel too. Products that are not in `nodes` stay 8-8.
inline dim_t code_budget(const folded_network& folded, std::span<const std::size_t> nodes, double size) {
    double bytes = 0, fixed = 0;
    for (const std::size_t i : products_of(folded.net)) {
        const tensor<float>& w = folded.weights[folded.weights.place(i, nn::parameter_role::weight)];
        const bool coded = std::find(nodes.begin(), nodes.end(), i) != nodes.end();
        const auto beside = static_cast<double>(bytes_beside_codes(w.shape()[0]));
        bytes += static_cast<double>(w.size()) + beside;
        fixed += beside;
        if (coded) continue;
        const channel_steps steps = detail::steps_of_rows(w.span(), w.shape()[0], 0);
        std::vector<std::int8_t> codes(static_cast<std::size_t>(w.size()));
        code_rows(w.data(), w.shape()[0], std::ssize(codes) / std::max<dim_t>(1, w.shape()[0]), steps.values(), 127,
                  nullptr, codes.data());
        fixed += entropy_bytes(codes); // 8-8 is entropy-coded in the file too
    }
    constexpr double feedback_widens = 1.02; // codes with feedback have this much more entropy than nearest ones
    const double budget = (bytes / size - fixed) / feedback_widens;
    require<value_error>(budget > 0, "size ", size, ": what is not coded takes ", fixed, " of ", bytes / size,
                         " bytes");
    return static_cast<dim_t>(budget);
}

/// From the finest to the coarsest that are worth a choice.
inline constexpr std::array<double, 14> usual_steps{0.2, 0.25, 0.3, 0.35, 0.42, 0.5, 0.6,
                                                    0.7, 0.8,  0.9, 1.0,  1.15, 1.3, 1.5};

/// The step of each product in `nodes`, at most `budget` bytes of codes together; `sensitivity` of each node was
/// measured at `measured_step`. value_error where the coarsest steps take more.
inline std::vector<double> choose_steps(const folded_network& folded, std::span<const std::size_t> nodes,
                                        std::span<const double> sensitivity, double measured_step, dim_t budget,
                                        std::span<const double> steps = usual_steps, executor_ref exec = {}) {
    const float_environment scope;
    std::vector<layer_profile> layers(nodes.size());
    exec.for_each(std::ssize(nodes), [&](dim_t n, int) {
        const std::size_t node = nodes[static_cast<std::size_t>(n)];
        layer_profile& layer = layers[static_cast<std::size_t>(n)];
        layer.name = folded.net.nodes[node].name;
        layer.sensitivity = 1;
        const tensor<float>& w = folded.weights[folded.weights.place(node, nn::parameter_role::weight)];
        const dim_t rows = w.shape()[0], cols = rows > 0 ? w.size() / rows : 0;
        std::vector<std::int8_t> codes(static_cast<std::size_t>(w.size()));
        for (const double step : steps) {
            const channel_steps rounded = detail::steps_of_rows(w.span(), rows, step);
            code_rows(w.data(), rows, cols, rounded.values(), 127, nullptr, codes.data());
            const double ratio = step / measured_step;
            layer.choices.push_back(
                {1, static_cast<dim_t>(std::ceil(entropy_bytes(codes))), sensitivity[node] * ratio * ratio});
        }
    });
    const plane_plan plan = choose_planes(layers, budget);
    std::vector<double> chosen;
    for (const std::size_t c : plan.choice) chosen.push_back(steps[c]);
    return chosen;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
