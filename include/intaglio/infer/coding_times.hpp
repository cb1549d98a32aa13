// SPDX-License-Identifier: Apache-2.0
#pragma once

// How long one image takes with some codings of the weights, as a table: what a budget of milliseconds chooses with
// (coding_budget.hpp). coding_clock.hpp measures it on this machine; a test may write any other.
//
// Measured times are noisy, and a coding that is coarser for nothing is a loss. So a product is charged for a coding
// what the quickest of the finer ones takes, unless it is quicker than that by more than 2 %. A coarser coding is then
// chosen for the time that it saves alone, and what is chosen is charged what was measured.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// In nanoseconds.
struct coding_times {
    std::vector<std::vector<double>> products; ///< for each coding: of each node, 0 where it is no product
    double others = 0;                         ///< of all that is no product, whatever the coding
};

/// In nanoseconds, with the codings that were chosen.
struct image_time {
    std::vector<dim_t> products; ///< of each node, 0 where it is no product
    dim_t others = 0;

    dim_t sum() const { return std::accumulate(products.begin(), products.end(), others); }
};

/// Throws shape_error or value_error unless there are times of so many codings and nodes, none of them negative or
/// without bounds.
inline void check(const coding_times& times, std::size_t codings, std::size_t nodes) {
    const auto is_time = [](double t) { return t >= 0 && t <= 1e15; };
    require(times.products.size() == codings, "coding times: of ", times.products.size(), " codings, expected ",
            codings);
    require<value_error>(is_time(times.others), "coding times: ", times.others, " ns beside products");
    for (const std::vector<double>& of_nodes : times.products) {
        require(of_nodes.size() == nodes, "coding times: of ", of_nodes.size(), " nodes, expected ", nodes);
        for (const double t : of_nodes) require<value_error>(is_time(t), "coding times: ", t, " ns of a product");
    }
}

/// What a product is charged for each of some codings, in whole nanoseconds; `measured` and `errors` of each coding.
inline std::vector<dim_t> charged_times(std::span<const double> measured, std::span<const double> errors) {
    constexpr double noise = 0.02;
    std::vector<std::size_t> order(measured.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return errors[a] < errors[b]; });
    std::vector<dim_t> charged(measured.size());
    double quickest = 0; // of the finer ones
    for (std::size_t k = 0; k < order.size(); ++k) {
        const double t = measured[order[k]];
        if (k == 0 || t < (1 - noise) * quickest) quickest = t;
        charged[order[k]] = static_cast<dim_t>(std::ceil(quickest));
    }
    return charged;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
