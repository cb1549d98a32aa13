// SPDX-License-Identifier: Apache-2.0
#pragma once

// The levels of a dial. All products have their first plane; which ones have further planes is what levels differ in.
// Those are ranked by what they bring for what they cost, the error that goes over the bytes in a file, a plane never
// before the one that it refines; a level is a prefix of that list. The lowest level has none of them, the highest all,
// and those between divide the bytes evenly.

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/stored_bytes.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// Sets `count` levels, at least 2; `sensitivity` of each node, and `errors` of each node with each number of planes
/// (plane_errors).
inline void set_levels(coded_network& network, std::span<const double> sensitivity,
                       std::span<const std::vector<double>> errors, int count) {
    const float_environment scope;
    require<value_error>(count >= 2, "set_levels: ", count, " levels; at least 2 are a dial");
    struct further_plane {
        std::size_t node;
        double bytes, gain;
    };
    std::vector<further_plane> list;
    double all = 0;
    std::vector<int> level(network.net.nodes.size(), 0);
    for (std::size_t i = 0; i < level.size(); ++i) {
        if (!network.products[i]) continue;
        level[i] = 1;
        double most = 0;
        for (std::size_t p = 1; p < network.products[i]->planes.size(); ++p) {
            const double bytes = plane_bytes(*network.products[i], p);
            const double gain = sensitivity[i] * (errors[i][p - 1] - errors[i][p]) / std::max(bytes, 1.0);
            most = p == 1 ? gain : std::min(most, gain); // not before the plane that it refines
            list.push_back({i, bytes, most});
            all += bytes;
        }
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const further_plane& a, const further_plane& b) { return a.gain > b.gain; });
    network.levels = {level};
    double sum = 0;
    std::size_t next = 0;
    for (int l = 1; l < count; ++l) {
        const double share = all * l / (count - 1);
        for (; next < list.size() && (l == count - 1 || sum + list[next].bytes / 2 < share); ++next) {
            ++level[list[next].node];
            sum += list[next].bytes;
        }
        network.levels.push_back(level);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
