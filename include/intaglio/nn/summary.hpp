// SPDX-License-Identifier: Apache-2.0
#pragma once

// A network as a table, one line for each node, and the totals:
//
//   layer                operation              output              parameters  multiply-adds   bits
//   conv1                convolution 7x7 /2     112 x 112 x 64           9,408    118,013,952     32
//   ...

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/counts.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct summary_options {
    dim_t batch = 1;
    std::vector<double> bits = {}; ///< of a parameter of each node; 32 where there are none
    double activation_bits = 32;
};

namespace detail {

/// 25557032 as "25,557,032".
inline std::string with_commas(dim_t number) {
    std::string text = join(number < 0 ? -number : number);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
    return number < 0 ? "-" + text : text;
}

/// One decimal at most: "16", "2.6".
inline std::string short_number(double number) {
    const auto tenths = static_cast<dim_t>(number * 10 + 0.5);
    return tenths % 10 == 0 ? join(tenths / 10) : join(tenths / 10, '.', tenths % 10);
}

/// "97.5 MiB", "20.4 KiB", of bits.
inline std::string bytes_of_bits(double bits) {
    const double kib = bits / 8 / 1024;
    return kib < 1024 ? short_number(kib) + " KiB" : short_number(kib / 1024) + " MiB";
}

/// The kind of an operation, with its kernel and stride if it has them: "convolution 3x3 /2".
inline std::string title(const operation& op) {
    return std::visit(
        [](const auto& o) {
            std::string text(o.kind);
            if constexpr (requires { o.kernel; }) text += join(' ', o.kernel.h, 'x', o.kernel.w);
            if constexpr (requires { o.stride; })
                if (!(o.stride == size2d(1))) text += join(" /", o.stride);
            if constexpr (requires { o.groups; })
                if (o.groups != 1) text += join(", groups ", o.groups);
            return text;
        },
        op);
}

} // namespace detail

/// The table, lines ending in '\n'. Throws as infer_shapes does, and value_error unless there are bits for every node
/// or for none.
inline std::string summary(const network& net, const summary_options& options = {}) {
    const extents images = image_shape(net, options.batch);
    const std::vector<extents> shapes = infer_shapes(net, images);
    const std::vector<network_counts> counts = count_nodes(net, images);
    require<value_error>(options.bits.empty() || options.bits.size() == net.nodes.size(), "summary: bits of ",
                         options.bits.size(), " nodes, the network has ", net.nodes.size());
    const auto bits_of = [&](std::size_t i) { return options.bits.empty() ? 32 : options.bits[i]; };

    using row = std::vector<std::string>;
    std::vector<row> rows{{"layer", "operation", "output", "parameters", "multiply-adds", "bits"}};
    network_counts sum;
    double weight_bits = 0;
    for (std::size_t i = 0; i < net.nodes.size(); ++i) {
        const network_counts& c = counts[i];
        sum += c;
        weight_bits += bits_of(i) * static_cast<double>(c.parameters);
        const extents& s = shapes[i];
        const bool vector = s[1] == 1 && s[2] == 1;
        rows.push_back({net.nodes[i].name, detail::title(net.nodes[i].op),
                        vector ? join(s[3]) : extents{s[1], s[2], s[3]}.to_string(),
                        c.parameters ? detail::with_commas(c.parameters) : "",
                        c.multiply_adds ? detail::with_commas(c.multiply_adds) : "",
                        c.parameters ? detail::short_number(bits_of(i)) : ""});
    }
    const double parameters = static_cast<double>(std::max<dim_t>(sum.parameters, 1));
    rows.push_back({"total", join("batch ", options.batch), "", detail::with_commas(sum.parameters),
                    detail::with_commas(sum.multiply_adds), detail::short_number(weight_bits / parameters)});

    row widest(rows.front().size());
    for (const row& r : rows)
        for (std::size_t i = 0; i < r.size(); ++i)
            if (r[i].size() > widest[i].size()) widest[i] = r[i];
    std::string text;
    for (const row& r : rows) {
        std::string line;
        for (std::size_t i = 0; i < r.size(); ++i) {
            const std::string space(widest[i].size() - r[i].size(), ' ');
            line += (i == 0 ? "" : "  ") + (i < 3 ? r[i] + space : space + r[i]); // names left, numbers right
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text + join("weights ", detail::bytes_of_bits(weight_bits), ", activations ",
                       detail::bytes_of_bits(options.activation_bits * static_cast<double>(sum.activations)), '\n');
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
