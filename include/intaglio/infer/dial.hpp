// SPDX-License-Identifier: Apache-2.0
#pragma once

// The levels of a dial. All products have their first plane; which ones have their finer plane too is what levels
// differ in. Finer planes are ranked by what they bring for what they cost, the share of the error that goes over the
// bytes of its codes; a level is a prefix of that list. The lowest level has none of them, the highest all, and those
// between divide the bytes evenly.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/step_budget.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// Sets `count` levels, at least 2; `sensitivity` and `steps` of each node (convert.hpp).
inline void set_levels(coded_network& network, std::span<const double> sensitivity, std::span<const double> steps,
                       int count) {
    const float_environment scope;
    require<value_error>(count >= 2, "set_levels: ", count, " levels; at least 2 are a dial");
    struct finer_plane {
        std::size_t node;
        double bytes, gain;
    };
    std::vector<finer_plane> list;
    double all = 0;
    std::vector<int> level(network.net.nodes.size(), 0);
    for (std::size_t i = 0; i < level.size(); ++i) {
        if (!network.products[i]) continue;
        level[i] = 1;
        if (network.products[i]->plane_count() < 2) continue;
        const double bytes = entropy_bytes(network.products[i]->planes[1].codes.span());
        list.push_back({i, bytes, sensitivity[i] * steps[i] * steps[i] / std::max(bytes, 1.0)});
        all += bytes;
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const finer_plane& a, const finer_plane& b) { return a.gain > b.gain; });
    network.levels = {level};
    double sum = 0;
    std::size_t next = 0;
    for (int l = 1; l < count; ++l) {
        const double share = all * l / (count - 1);
        for (; next < list.size() && (l == count - 1 || sum + list[next].bytes / 2 < share); ++next) {
            level[list[next].node] = 2;
            sum += list[next].bytes;
        }
        network.levels.push_back(level);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
