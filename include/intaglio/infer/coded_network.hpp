// SPDX-License-Identifier: Apache-2.0
#pragma once

// A network for integer inference, as data: a folded network (fold.hpp) whose weights are integer codes, and for each
// node the format in which its outputs wait in memory. It is what encode.hpp makes, what files store and what
// integer_network.hpp runs; reference.hpp says what it computes.
//
//   activations  value = step * code, one step for the whole tensor, codes 0 .. 255 or -127 .. 127. A node that is not
//                stored (step 0) hands real numbers to the one node that reads it: a convolution to its add or relu.
//   weights      weight(o, k) = step_o * code(o, k), one step for each output channel, codes -127 .. 127. They are a
//                sum of planes, the dial: with P planes in use
//                  code = (..(plane_1 * d_2 + plane_2) * d_3 ..) + plane_P,   step_o = step_1o / (d_2 .. d_P),
//                  plane_p(o, k) = scale_p(o, k / block) * its stored code,
//                and each number of planes has a bias of its own. Scales are 8-bit integers; without blocks they are 1.
//   levels       how many planes each product uses; the first level is the coarsest

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/infer/channel_values.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// How the outputs of a node wait in memory.
struct activation_format {
    float step = 0;         ///< the value of code 1; 0: real numbers, which are not stored
    bool is_signed = false; ///< codes -127 .. 127 instead of 0 .. 255

    bool is_stored() const { return step > 0; }
    friend bool operator==(const activation_format&, const activation_format&) = default;
};

/// One of the planes whose sum are the weights of a product.
struct weight_plane {
    tensor<std::int8_t> codes; ///< (out channels, filter size)
    int divisor = 1;           ///< of the step of the plane before; 1 for the first
    channel_biases bias;       ///< (out channels), with this plane and those before it
    dim_t block = 0;           ///< codes along a row that share a scale; 0: there are no scales
    /// (out channels, blocks of a row), none if there are no scales or they are those of the plane before.
    std::vector<std::uint8_t> scales{};
};

struct coded_product {
    channel_steps steps; ///< (out channels), of the first plane
    std::vector<weight_plane> planes;

    dim_t rows() const { return planes.front().codes.shape()[0]; }
    dim_t cols() const { return planes.front().codes.shape()[1]; }
    int plane_count() const { return static_cast<int>(planes.size()); }
};

/// The weights of a product with some of its planes: weight(o, k) = steps[o] * codes(o, k).
struct channel_codes {
    tensor<std::int8_t> codes; ///< (out channels, filter size)
    std::vector<float> steps;  ///< (out channels)
};

struct coded_network {
    nn::network net;                                    ///< folded
    std::vector<activation_format> formats;             ///< of each node
    std::vector<std::optional<coded_product>> products; ///< of each node; none where it has no weights
    std::vector<std::vector<int>> levels;               ///< of each level: of each node, the planes in use

    int level_count() const { return static_cast<int>(levels.size()); }
    /// Of a product at a level, which is 1 .. level_count().
    int planes_at(int level, std::size_t node) const { return levels.at(static_cast<std::size_t>(level - 1))[node]; }
};

namespace detail {

/// Blocks in a row.
constexpr dim_t blocks_of(dim_t cols, dim_t block) { return (cols + block - 1) / block; }

/// The scales of a plane, 0 for the first: its own or those of the plane before; nothing where all are 1.
inline std::span<const std::uint8_t> scales_of(const coded_product& product, std::size_t plane) {
    if (product.planes[plane].block == 0) return {};
    while (plane > 0 && product.planes[plane].scales.empty()) --plane;
    return product.planes[plane].scales;
}

/// f(sum over planes up to p, plane p's part) for every weight: sum = sum * divisor + scale * code.
template <class Sum, class F>
void add_plane(const coded_product& product, std::size_t p, Sum* sums, const F& f) {
    const weight_plane& plane = product.planes[p];
    const std::span<const std::uint8_t> scales = scales_of(product, p);
    const dim_t rows = product.rows(), cols = product.cols(), block = plane.block > 0 ? plane.block : cols;
    const dim_t blocks = cols > 0 ? blocks_of(cols, block) : 0;
    for (dim_t r = 0; r < rows; ++r)
        for (dim_t b = 0; b < blocks; ++b) {
            const int scale = scales.empty() ? 1 : scales[static_cast<std::size_t>(r * blocks + b)];
            for (dim_t i = r * cols + b * block; i < r * cols + std::min(cols, (b + 1) * block); ++i) {
                const int part = scale * plane.codes[i], sum = sums[i] * plane.divisor + part;
                f(i, sum, part);
                sums[i] = static_cast<Sum>(sum);
            }
        }
}

} // namespace detail

/// The sum of the first `planes` planes, 1 .. plane_count(), of a product that check() takes.
inline channel_codes sum_of_planes(const coded_product& product, int planes) {
    channel_codes sum{tensor<std::int8_t>({product.rows(), product.cols()}), {}};
    int divisor = 1;
    for (std::size_t p = 0; p < static_cast<std::size_t>(planes); ++p) {
        detail::add_plane(product, p, sum.codes.data(), [](dim_t, int, int) {});
        divisor *= product.planes[p].divisor;
    }
    sum.steps = product.steps.values(divisor);
    return sum;
}

namespace detail {

/// The geometry of a product for images of shape `in`.
inline conv_geometry product_geometry(const nn::operation& op, const extents& in) {
    if (const auto* c = std::get_if<nn::op::convolution>(&op)) return nn::geometry_of(*c, in);
    return nn::geometry_of(std::get<nn::op::linear>(op), in);
}
inline bool is_product(const nn::operation& op) {
    return std::holds_alternative<nn::op::convolution>(op) || std::holds_alternative<nn::op::linear>(op);
}
/// Whether codes pass unchanged, so that the output has the format of the (first) input.
inline bool keeps_codes(const nn::operation& op) {
    return std::holds_alternative<nn::op::max_pool>(op) || std::holds_alternative<nn::op::flatten>(op) ||
           std::holds_alternative<nn::op::padded_shortcut>(op);
}

inline void check_product(const std::string& name, const coded_product& p, const conv_geometry& g) {
    require<value_error>(!p.planes.empty(), name, ": has no plane of weights");
    require(static_cast<dim_t>(p.steps.size()) == g.out_channels, name, ": ", p.steps.size(), " steps for ",
            g.out_channels, " channels");
    require<value_error>(p.steps.largest >= 0x1p-100F && p.steps.largest <= 0x1p100F, name, ": a largest step of ",
                         p.steps.largest, ", expected 2^-100 to 2^100");
    std::int64_t divisors = 1;
    std::vector<std::int16_t> sums(static_cast<std::size_t>(g.out_channels * g.filter_size()), 0);
    for (std::size_t k = 0; k < p.planes.size(); ++k) {
        const weight_plane& plane = p.planes[k];
        const extents expected{g.out_channels, g.filter_size()};
        require(plane.codes.shape() == expected, name, ": a plane of ", plane.codes.shape(), " codes, expected ",
                expected);
        require(static_cast<dim_t>(plane.bias.size()) == g.out_channels, name, ": ", plane.bias.size(),
                " values of bias for ", g.out_channels, " channels");
        require<value_error>(plane.bias.step >= 0 && plane.bias.step <= 0x1p100F, name, ": biases in steps of ",
                             plane.bias.step, ", expected 0 to 2^100");
        require<value_error>(plane.divisor >= 1 && plane.divisor <= 127, name, ": a plane divides the step by ",
                             plane.divisor, ", expected 1 to 127");
        divisors *= plane.divisor;
        require<value_error>(divisors <= 1 << 24, name, ": planes divide the step by ", divisors, ", at most 2^24");
        require<value_error>(plane.block >= 0 && (plane.block > 0 || plane.scales.empty()), name, ": blocks of ",
                             plane.block, " codes");
        const bool shared = k > 0 && plane.scales.empty() && plane.block == p.planes[k - 1].block;
        const dim_t scales = plane.block > 0 && !shared ? g.out_channels * blocks_of(g.filter_size(), plane.block) : 0;
        require(static_cast<dim_t>(plane.scales.size()) == scales, name, ": ", plane.scales.size(),
                " scales of blocks, expected ", scales);
        add_plane(p, k, sums.data(), [&](dim_t i, int sum, int) {
            require<value_error>(sum >= -127 && sum <= 127, name, ": code ", i, " is ", sum, " with ", k + 1,
                                 " planes, expected -127 to 127");
        });
    }
}

} // namespace detail

/// The products of a folded network, in order: what a choice of codings goes through.
inline std::vector<std::size_t> products_of(const nn::network& net) {
    std::vector<std::size_t> list;
    for (std::size_t i = 0; i < net.nodes.size(); ++i)
        if (detail::is_product(net.nodes[i].op)) list.push_back(i);
    return list;
}

/// Throws shape_error or value_error, which name the node, unless the parts of the network fit each other. Whoever
/// takes a coded network from elsewhere calls it first; returns the shapes of an image's activations.
inline std::vector<extents> check(const coded_network& coded) {
    const std::size_t count = coded.net.nodes.size();
    const std::vector<extents> shapes = nn::infer_shapes(coded.net, 1);
    const std::vector<std::vector<std::size_t>> readers = nn::readers(coded.net);
    const std::size_t output = coded.net.outputs.front().node;
    require<value_error>(coded.formats.size() == count && coded.products.size() == count,
                         "coded network: ", coded.formats.size(), " formats and ", coded.products.size(),
                         " products for ", count, " nodes");
    for (std::size_t i = 0; i < count; ++i) {
        const nn::node& n = coded.net.nodes[i];
        const activation_format format = coded.formats[i];
        require<value_error>(format.step >= 0 && std::isfinite(format.step), n.name, ": a step of ", format.step);
        const bool product = detail::is_product(n.op);
        require<value_error>(product == coded.products[i].has_value(), n.name, ": is a ", nn::describe(n.op),
                             " and has ", product ? "no" : "superfluous", " weights");
        require<value_error>(!std::holds_alternative<nn::op::batch_norm>(n.op) &&
                                 !std::holds_alternative<nn::op::dropout>(n.op),
                             n.name, ": a ", nn::describe(n.op), " is not part of a folded network");
        const bool sum = std::holds_alternative<nn::op::add>(n.op), relu = std::holds_alternative<nn::op::relu>(n.op);
        const bool mean = std::holds_alternative<nn::op::average_pool>(n.op) ||
                          std::holds_alternative<nn::op::adaptive_average_pool>(n.op);
        if (!format.is_stored()) {
            const bool last = i == output && readers[i].empty() && (product || sum || relu || mean);
            const bool rides = (product || sum) && i != output && readers[i].size() == 1;
            require<value_error>(last || rides, n.name, ": is not stored, but more than one node needs it");
            if (rides) {
                const nn::operation& next = coded.net.nodes[readers[i].front()].op;
                require<value_error>(std::holds_alternative<nn::op::relu>(next) ||
                                         (product && std::holds_alternative<nn::op::add>(next)),
                                     n.name, ": is not stored, and its reader ",
                                     coded.net.nodes[readers[i].front()].name, " is a ", nn::describe(next));
            }
        }
        std::size_t riders = 0;
        for (const std::size_t from : n.inputs) {
            const bool stored = coded.formats[from].is_stored();
            require<value_error>(stored || sum || relu, n.name, ": reads ", coded.net.nodes[from].name,
                                 ", which is not stored");
            riders += stored ? 0 : 1;
        }
        require<value_error>(riders <= 1, n.name, ": neither of its inputs is stored");
        if (detail::keeps_codes(n.op))
            require<value_error>(format == coded.formats[n.inputs[0]], n.name, ": its outputs are in steps of ",
                                 format.step, ", its inputs in steps of ", coded.formats[n.inputs[0]].step, "; a ",
                                 nn::describe(n.op), " keeps the format");
        if (product)
            detail::check_product(n.name, *coded.products[i], detail::product_geometry(n.op, shapes[n.inputs[0]]));
    }
    require<value_error>(!coded.levels.empty(), "coded network: has no level");
    for (const std::vector<int>& level : coded.levels) {
        require<value_error>(level.size() == count, "coded network: a level of ", level.size(), " nodes, of ", count);
        for (std::size_t i = 0; i < count; ++i) {
            const int most = coded.products[i] ? coded.products[i]->plane_count() : 0;
            require<value_error>(level[i] <= most && level[i] >= (most > 0 ? 1 : 0), coded.net.nodes[i].name,
                                 ": a level uses ", level[i], " of ", most, " planes");
        }
    }
    return shapes;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
