// SPDX-License-Identifier: Apache-2.0
#pragma once

// What batch norm promises of all activations behind it, without any data: the mean and variance of each channel,
// carried through the graph in closed form, each channel taken as normally distributed.
//
//   relu      with s = sqrt(variance), t = mean / s, phi and Phi the normal density and distribution:
//             mean' = mean Phi(t) + s phi(t),  second moment' = (mean^2 + variance) Phi(t) + mean s phi(t)
//   add       sums of means and of variances
//   pools     a maximum keeps both; a mean of n pixels, which resemble each other, keeps the mean and 0.5 + 0.5 / n of
//             the variance
//
// Ranges are `deviations` of them around the mean, of the values before a relu. A product without batch norm promises
// nothing, nor does what follows it.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/formats.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// The moments of max(v, 0) for v normal with these.
inline channel_moments rectified(const channel_moments& before) {
    channel_moments after = before;
    for (std::size_t c = 0; c < before.mean.size(); ++c) {
        const double mean = before.mean[c], s = std::sqrt(std::max(before.variance[c], 1e-12)), t = mean / s;
        const double density = std::exp(-t * t / 2) / std::sqrt(2 * std::numbers::pi);
        const double share = 0.5 * (1 + std::erf(t / std::numbers::sqrt2));
        const double first = mean * share + s * density;
        const double second = (mean * mean + before.variance[c]) * share + mean * s * density;
        after.mean[c] = first;
        after.variance[c] = std::max(second - first * first, 0.0);
    }
    return after;
}

/// Of each node of the network; none where nothing is promised.
inline std::vector<std::optional<channel_moments>> propagate_moments(const folded_network& folded) {
    const float_environment scope;
    const nn::network& net = folded.net;
    const std::vector<extents> shapes = nn::infer_shapes(net, 1);
    std::vector<std::optional<channel_moments>> all(net.nodes.size());
    for (std::size_t i = 1; i < net.nodes.size(); ++i) {
        const nn::node& n = net.nodes[i];
        std::vector<const channel_moments*> in;
        for (const std::size_t from : n.inputs)
            if (all[from]) in.push_back(&*all[from]);
        if (folded.normed[i]) {
            all[i] = folded.normed[i];
            continue;
        }
        if (in.size() != n.inputs.size() || in.empty()) continue;
        const auto mean_pool = [&] {
            const double n_in = static_cast<double>(shapes[n.inputs[0]][1] * shapes[n.inputs[0]][2]),
                         n_out = static_cast<double>(shapes[i][1] * shapes[i][2]);
            all[i] = *in[0];
            for (double& v : all[i]->variance) v *= 0.5 + 0.5 * std::min(1.0, n_out / n_in);
        };
        std::visit(
            nn::overloaded{
                [&](const nn::op::relu&) { all[i] = rectified(*in[0]); },
                [&](const nn::op::add&) {
                    all[i] = *in[0];
                    for (std::size_t c = 0; c < in[1]->mean.size(); ++c)
                        all[i]->mean[c] += in[1]->mean[c], all[i]->variance[c] += in[1]->variance[c];
                },
                [&](const nn::op::concatenate&) {
                    all[i].emplace();
                    for (const channel_moments* part : in) {
                        all[i]->mean.insert(all[i]->mean.end(), part->mean.begin(), part->mean.end());
                        all[i]->variance.insert(all[i]->variance.end(), part->variance.begin(), part->variance.end());
                    }
                },
                [&](const nn::op::max_pool&) { all[i] = *in[0]; },
                [&](const nn::op::average_pool&) { mean_pool(); },
                [&](const nn::op::adaptive_average_pool&) { mean_pool(); },
                [&](const nn::op::flatten&) {
                    all[i].emplace();
                    for (dim_t p = 0; p < shapes[n.inputs[0]][1] * shapes[n.inputs[0]][2]; ++p) {
                        all[i]->mean.insert(all[i]->mean.end(), in[0]->mean.begin(), in[0]->mean.end());
                        all[i]->variance.insert(all[i]->variance.end(), in[0]->variance.begin(), in[0]->variance.end());
                    }
                },
                [&](const nn::op::padded_shortcut& s) {
                    all[i] = *in[0];
                    for (std::vector<double>* v : {&all[i]->mean, &all[i]->variance}) {
                        v->insert(v->begin(), static_cast<std::size_t>(s.zeros_before), 0.0);
                        v->insert(v->end(), static_cast<std::size_t>(s.zeros_behind), 0.0);
                    }
                },
                [](const auto&) {},
            },
            n.op);
    }
    return all;
}

/// The ranges that moments give, for each node; none where nothing is promised.
inline std::vector<std::optional<value_range>> promised_ranges(const folded_network& folded, double deviations = 6) {
    const std::vector<std::optional<channel_moments>> moments = propagate_moments(folded);
    std::vector<std::optional<value_range>> ranges(moments.size());
    for (std::size_t i = 1; i < moments.size(); ++i) {
        const bool relu = std::holds_alternative<nn::op::relu>(folded.net.nodes[i].op);
        const std::optional<channel_moments>& m = relu ? moments[folded.net.nodes[i].inputs[0]] : moments[i];
        if (!m) continue;
        value_range r;
        for (std::size_t c = 0; c < m->mean.size(); ++c) {
            const double reach = deviations * std::sqrt(m->variance[c]);
            r.include({static_cast<float>(m->mean[c] - reach), static_cast<float>(m->mean[c] + reach)});
        }
        // what was rectified stays so through whatever only moves, adds or averages values
        bool negative = !relu;
        const nn::operation& op = folded.net.nodes[i].op;
        if (!relu && !detail::is_product(op)) {
            negative = false;
            for (const std::size_t from : folded.net.nodes[i].inputs)
                negative = negative || !ranges[from] || ranges[from]->low < 0;
        }
        if (!negative) r.low = 0;
        ranges[i] = r;
    }
    return ranges;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
