// SPDX-License-Identifier: Apache-2.0
#pragma once

// "At most B bytes", or nanoseconds, turned into planes per layer. Layer l with coding r costs cost_l(r) and adds the
// term log(1 + g_l eps_l(r)^2) to the estimated perturbation (quantize/sensitivity.hpp). To minimise the sum of terms
// under the sum of costs is a multiple-choice knapsack, solved by dynamic programming over the budget:
//
//   best_l(b) = min over r of  best_(l-1)(b - cost_l(r)) + term_l(r)
//
// exactly for budgets up to 2^16; above, costs are counted in 2^16 units of the budget, each layer's rounded up, so
// that the budget is always kept and at most one unit per layer goes unused. Where the codings of least error fit, they
// are the plan.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/quantize/sensitivity.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct plane_plan {
    std::vector<std::size_t> choice{}; ///< for each layer, an index into its choices
    dim_t cost = 0;
    double perturbation = 0; ///< estimated |y - yhat| / |y|
};

namespace detail {
inline plane_plan evaluate(std::span<const layer_profile> layers, std::vector<std::size_t> choice) {
    plane_plan plan{std::move(choice)};
    double sum = 0;
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const plane_choice& c = layers[l].choices[plan.choice[l]];
        plan.cost += c.cost;
        sum += perturbation_term(layers[l].sensitivity, c.nmse);
    }
    plan.perturbation = estimated_perturbation(sum);
    return plan;
}
} // namespace detail

/// The codings of least estimated perturbation whose costs fit `budget`. Throws value_error if a layer has no choices
/// or more than 255, a cost is negative, or the cheapest codings do not fit; the text has both.
inline plane_plan choose_planes(std::span<const layer_profile> layers, dim_t budget) {
    const float_environment scope;
    std::vector<std::size_t> cheapest, finest;
    for (const layer_profile& layer : layers) {
        require<value_error>(!layer.choices.empty() && layer.choices.size() <= 255, "budget: layer ", layer.name,
                             " has ", layer.choices.size(), " codings; 1 to 255 are supported");
        for (const plane_choice& c : layer.choices)
            require<value_error>(c.cost >= 0 && c.nmse >= 0 && layer.sensitivity >= 0, "budget: layer ", layer.name,
                                 " has a negative cost, error or sensitivity");
        const auto first_by = [&](const auto& before) {
            const auto least = std::min_element(layer.choices.begin(), layer.choices.end(), before);
            return static_cast<std::size_t>(least - layer.choices.begin());
        };
        cheapest.push_back(
            first_by([](const auto& a, const auto& b) { return std::tie(a.cost, a.nmse) < std::tie(b.cost, b.nmse); }));
        finest.push_back(
            first_by([](const auto& a, const auto& b) { return std::tie(a.nmse, a.cost) < std::tie(b.nmse, b.cost); }));
    }
    plane_plan fallback = detail::evaluate(layers, cheapest);
    require<value_error>(fallback.cost <= budget, "budget: the cheapest codings take ", fallback.cost,
                         ", the budget is ", budget);
    if (plane_plan plan = detail::evaluate(layers, finest); plan.cost <= budget) return plan;

    constexpr dim_t most_units = dim_t{1} << 16;
    const dim_t units = std::min(budget, most_units);
    const auto units_of = [&](dim_t cost) { // rounded up; exact where a unit is 1
        return units == budget
                   ? cost
                   : static_cast<dim_t>(std::ceil(static_cast<double>(cost) *
                                                  (static_cast<double>(units) / static_cast<double>(budget))));
    };

    constexpr double impossible = std::numeric_limits<double>::infinity();
    const auto width = static_cast<std::size_t>(units) + 1;
    std::vector<double> best(width, 0.0), next(width);
    std::vector<std::uint8_t> taken(width * layers.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
        std::fill(next.begin(), next.end(), impossible);
        for (std::size_t r = 0; r < layers[l].choices.size(); ++r) {
            const plane_choice& c = layers[l].choices[r];
            if (c.cost > budget) continue;
            const auto cost = static_cast<std::size_t>(units_of(c.cost));
            const double term = perturbation_term(layers[l].sensitivity, c.nmse);
            for (std::size_t b = cost; b < width; ++b) {
                const double sum = best[b - cost] + term;
                if (sum < next[b]) {
                    next[b] = sum;
                    taken[l * width + b] = static_cast<std::uint8_t>(r);
                }
            }
        }
        best.swap(next);
    }
    if (best[width - 1] == impossible) return fallback; // the cheapest codings fit, but not when rounded up

    std::vector<std::size_t> choice(layers.size());
    std::size_t left = width - 1;
    for (std::size_t l = layers.size(); l-- > 0;) {
        choice[l] = taken[l * width + left];
        left -= static_cast<std::size_t>(units_of(layers[l].choices[choice[l]].cost));
    }
    return detail::evaluate(layers, std::move(choice));
}

/// The plan as text: a line for each layer with its planes, cost and error, and the sums.
inline std::string to_table(std::span<const layer_profile> layers, const plane_plan& plan) {
    const float_environment scope;
    require(plan.choice.size() == layers.size(), "budget: a plan for ", plan.choice.size(), " layers, ", layers.size(),
            " layers");
    std::size_t widest = 5;
    for (const layer_profile& layer : layers) widest = std::max(widest, layer.name.size());
    const auto left = [&](const std::string& text) { return text + std::string(widest - text.size(), ' '); };
    const auto right = [](const std::string& text, std::size_t width) {
        return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
    };
    const auto per_mille = [](double x) { return join(std::nearbyint(x * 1e5) / 100); };

    std::string text = left("layer") + "  planes        cost  error x 1000\n";
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const plane_choice& c = layers[l].choices[plan.choice[l]];
        text += left(layers[l].name) + right(join(c.planes), 8) + right(join(c.cost), 12) +
                right(per_mille(c.nmse), 14) + "\n";
    }
    return text + left("all") + right("", 8) + right(join(plan.cost), 12) +
           right(per_mille(plan.perturbation * plan.perturbation), 14) + "\n";
}

} // namespace intaglio::inline INTAGLIO_ABI
