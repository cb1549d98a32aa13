// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much a network's output moves when its weights are coded, from the errors of its layers alone and without data.
// With eps_l^2 the normalised squared error of layer l's weights and g_l its sensitivity (how much of a relative error
// reaches the output, as a power; 1 where nothing is known):
//
//   quadrature      (|y - yhat| / |y|)^2 ~ prod (1 + g_l eps_l^2) - 1      an estimate: errors of layers are nearly
//                                                                          orthogonal
//   product bound    |y - yhat| / |y|   <= prod (1 + sqrt(g_l) eps_l) - 1  a guarantee, and very loose: all errors in
//                                                                          one direction
//
// (docs/numerics.md, section 12.) The logarithm makes the estimate a sum over layers, which is what quantize/budget.hpp
// minimises.

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/quantize/report.hpp"
#include "intaglio/quantize/residual.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// One coding of a layer: what it costs and what it loses.
struct plane_choice {
    int planes = 1;
    dim_t cost = 0;  ///< bytes of the coded weights, scales included, or what else a budget is of
    double nmse = 0; ///< ||w - approximation||^2 / ||w||^2
};

/// A layer and its codings, from the cheapest to the dearest.
struct layer_profile {
    std::string name;
    dim_t weights = 0;
    dim_t macs = 0;         ///< multiply-adds for one input
    double sensitivity = 1; ///< g, >= 0
    std::vector<plane_choice> choices{};
};

/// The term of one layer in the sum: log(1 + g eps^2).
inline double perturbation_term(double sensitivity, double nmse) noexcept { return std::log1p(sensitivity * nmse); }

/// The estimate |y - yhat| / |y| for a sum of terms.
inline double estimated_perturbation(double sum_of_terms) noexcept { return std::sqrt(std::expm1(sum_of_terms)); }

/// The product bound for layers of the same sensitivities and errors; spans of one length, else shape_error.
inline double perturbation_bound(std::span<const double> sensitivities, std::span<const double> nmses) {
    require(sensitivities.size() == nmses.size(), "perturbation: ", sensitivities.size(), " sensitivities, ",
            nmses.size(), " errors");
    return in_float_environment([&] {
        double product = 1;
        for (std::size_t l = 0; l < nmses.size(); ++l) product *= 1 + std::sqrt(sensitivities[l] * nmses[l]);
        return product - 1;
    });
}

namespace detail {
inline dim_t bytes_of(const weight_cost& cost, dim_t weights) {
    return static_cast<dim_t>(std::ceil(cost.bits_per_weight * static_cast<double>(weights) / 8));
}
} // namespace detail

/// Errors and bytes of locked digits, 1 .. options.digits, of a matrix of rows x cols. Throws as quantize_locked does.
inline layer_profile profile_locked(std::string_view name, std::span<const float> weights, dim_t rows, dim_t cols,
                                    dim_t macs, const locked_options& options = {.digits = 3},
                                    trit_coding coding = trit_coding::five_per_byte, executor_ref exec = {}) {
    const float_environment scope;
    layer_profile profile{std::string(name), rows * cols, macs};
    locked_options some = options;
    for (some.digits = 1; some.digits <= options.digits; ++some.digits) {
        const auto coded = quantize_locked(weights, rows, cols, some, name, exec);
        const auto cost = cost_of_digits(some.digits, options.block, coding);
        profile.choices.push_back({some.digits, detail::bytes_of(cost, rows * cols), nmse(weights, coded)});
    }
    return profile;
}

/// Errors and bytes of greedy planes, 1 .. options.planes, of a matrix of rows x cols. Throws as quantize_residual
/// does.
inline layer_profile profile_residual(std::string_view name, std::span<const float> weights, dim_t rows, dim_t cols,
                                      dim_t macs, const residual_options& options = {.planes = 4},
                                      trit_coding coding = trit_coding::two_bits, executor_ref exec = {}) {
    const float_environment scope;
    layer_profile profile{std::string(name), rows * cols, macs};
    const auto coded = quantize_residual(weights, rows, cols, options, name, exec);
    for (dim_t p = 1; p <= options.planes; ++p) {
        const auto cost = cost_of_planes(static_cast<double>(p), options.block, coding);
        profile.choices.push_back({static_cast<int>(p), detail::bytes_of(cost, rows * cols), nmse(weights, coded, p)});
    }
    return profile;
}

} // namespace intaglio::inline INTAGLIO_ABI
