// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the ranges of all activations to their formats (coded_network.hpp):
//
//   - what only the epilogue of a product needs is not stored: a product before its add or relu, an add before its
//     relu. Of two products that are added, the later one takes the other's stored outputs along.
//   - codes are unsigned where no value is negative, otherwise signed; the largest magnitude is code 255 or 127
//   - what only a concatenation reads takes the concatenation's format, so that it can be written in place; whatever
//     reads the concatenation sees it in these steps anyway
//   - the network's output stays real numbers where an operation can give such

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/nn/network.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// The values of a node's outputs: from `low` to `high`.
struct value_range {
    float low = 0, high = 0;

    void include(const value_range& other) { low = std::min(low, other.low), high = std::max(high, other.high); }
    friend bool operator==(const value_range&, const value_range&) = default;
};

/// The format whose codes span a range.
inline activation_format format_of(const value_range& range) {
    const bool is_signed = range.low < 0;
    const float largest = std::max(range.high, -range.low), step = largest / (is_signed ? 127.0F : 255.0F);
    return {step > 0 && std::isfinite(1 / step) ? step : 1.0F, is_signed};
}

namespace detail {

/// Which nodes of a folded network ride on their reader.
inline std::vector<char> riding_nodes(const nn::network& net) {
    const std::vector<std::vector<std::size_t>> readers = nn::readers(net);
    const std::size_t output = net.outputs.front().node;
    const auto alone = [&](std::size_t node) { return readers[node].size() == 1 && node != output; };
    std::vector<char> rides(net.nodes.size(), 0);
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        const nn::node& n = net.nodes[i];
        if (std::holds_alternative<nn::op::relu>(n.op)) {
            const std::size_t from = n.inputs[0];
            const nn::operation& before = net.nodes[from].op;
            if (alone(from) && (is_product(before) || std::holds_alternative<nn::op::add>(before))) rides[from] = 1;
        } else if (std::holds_alternative<nn::op::add>(n.op)) {
            const std::size_t later = std::max(n.inputs[0], n.inputs[1]), earlier = std::min(n.inputs[0], n.inputs[1]);
            for (const std::size_t from : {later, earlier})
                if (alone(from) && is_product(net.nodes[from].op)) {
                    rides[from] = 1;
                    break;
                }
        }
    }
    return rides;
}

} // namespace detail

/// The formats of all nodes of a folded network from their ranges. shape_error for another number of ranges.
inline std::vector<activation_format> choose_formats(const nn::network& net, std::span<const value_range> ranges) {
    require(ranges.size() == net.nodes.size(), "choose_formats: ", ranges.size(), " ranges for ", net.nodes.size(),
            " nodes");
    const std::vector<char> rides = detail::riding_nodes(net);
    const std::vector<std::vector<std::size_t>> readers = nn::readers(net);
    const std::size_t output = net.outputs.front().node;
    std::vector<activation_format> formats(net.nodes.size());
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        const nn::node& n = net.nodes[i];
        const auto is = [&]<class Op>(Op) { return std::holds_alternative<Op>(n.op); };
        const bool gives_reals = detail::is_product(n.op) || is(nn::op::add{}) || is(nn::op::relu{}) ||
                                 is(nn::op::average_pool{}) || is(nn::op::adaptive_average_pool{});
        if (rides[i] || (i == output && readers[i].empty() && gives_reals)) continue;
        if (detail::keeps_codes(n.op)) {
            formats[i] = formats[n.inputs[0]];
            continue;
        }
        value_range range = ranges[i];
        if (is(nn::op::concatenate{}))
            for (const std::size_t from : n.inputs) range.include(ranges[from]);
        formats[i] = format_of(range);
        if (is(nn::op::concatenate{}))
            for (const std::size_t from : n.inputs)
                if (readers[from].size() == 1 && from != output && from != 0 &&
                    !detail::keeps_codes(net.nodes[from].op) &&
                    !std::holds_alternative<nn::op::concatenate>(net.nodes[from].op))
                    formats[from] = formats[i];
    }
    return formats;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
