// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shape inference: what each node of a network gives for a batch of images, and the one place where a network is
// checked. An error names the node, its operation, and what it got from whom:
//
//   layer1.0.conv1: convolution(in_channels=64, out_channels=64) of 8 x 56 x 56 x 128 (maxpool): takes 64 channels

#include <span>
#include <string>
#include <vector>

#include "intaglio/conv/geometry.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/pool_window.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// The convolution on a batch of that shape; not checked.
inline conv_geometry geometry_of(const op::convolution& c, const extents& in) {
    return {.batch = in[0],
            .height = in[1],
            .width = in[2],
            .in_channels = in[3],
            .out_channels = c.out_channels,
            .kernel_h = c.kernel.h,
            .kernel_w = c.kernel.w,
            .stride_h = c.stride.h,
            .stride_w = c.stride.w,
            .pad_h = c.padding.h,
            .pad_w = c.padding.w,
            .dilation_h = c.dilation.h,
            .dilation_w = c.dilation.w,
            .groups = c.groups};
}

/// A linear layer is the convolution of one tap on images of one pixel.
inline conv_geometry geometry_of(const op::linear& l, const extents& in) {
    return {.batch = in[0], .height = 1, .width = 1, .in_channels = l.in_features, .out_channels = l.out_features};
}

namespace detail {

/// Shape rules: the shape that an operation gives for inputs of shapes `in`, each of four extents. shape_error and
/// value_error say what does not fit, without the node's name; output_shape adds it.
struct shape_rule {
    std::span<const extents> in;

    static void at_least(dim_t least, const char* what, size2d size) {
        require(size.h >= least && size.w >= least && size.h <= intaglio::detail::max_conv_size &&
                    size.w <= intaglio::detail::max_conv_size,
                "its ", what, " should be at least ", least, ", and at most 2^30 - 1");
    }
    void takes_channels(dim_t channels) const { require(in[0][3] == channels, "takes ", channels, " channels"); }
    void pools(size2d kernel, size2d stride, size2d padding) const {
        at_least(1, "kernel", kernel), at_least(1, "stride", stride), at_least(0, "padding", padding);
        require(padding.h <= kernel.h / 2 && padding.w <= kernel.w / 2, "its padding is more than half the kernel");
    }
    template <class Pool>
    extents pooled(const Pool& p) const {
        pools(p.kernel, p.stride, p.padding);
        const dim_t h = pool_size(in[0][1], p.kernel.h, p.stride.h, p.padding.h, p.ceil_mode),
                    w = pool_size(in[0][2], p.kernel.w, p.stride.w, p.padding.w, p.ceil_mode);
        require(h > 0 && w > 0, "the kernel is larger than the padded image");
        return {in[0][0], h, w, in[0][3]};
    }

    extents operator()(const op::input& i) const { fail<shape_error>(describe(i), " is not the first node"); }
    extents operator()(const op::convolution& c) const {
        takes_channels(c.in_channels);
        const conv_geometry g = geometry_of(c, in[0]);
        g.check();
        return {g.batch, g.out_height(), g.out_width(), g.out_channels};
    }
    extents operator()(const op::linear& l) const {
        require(l.out_features >= 0, "its out_features are negative");
        require(in[0][1] == 1 && in[0][2] == 1, "takes images of one pixel; flatten or pool them first");
        require(in[0][3] == l.in_features, "takes ", l.in_features, " features");
        return {in[0][0], 1, 1, l.out_features};
    }
    extents operator()(const op::batch_norm& n) const {
        takes_channels(n.channels);
        require<value_error>(n.epsilon > 0 && n.momentum >= 0 && n.momentum <= 1,
                             "needs an epsilon above 0 and a momentum from 0 to 1");
        return in[0];
    }
    extents operator()(const op::relu&) const { return in[0]; }
    extents operator()(const op::add&) const {
        require(in[0] == in[1], "adds two inputs of one shape");
        return in[0];
    }
    extents operator()(const op::concatenate&) const {
        dim_t channels = 0;
        for (const extents& e : in) {
            require(e[0] == in[0][0] && e[1] == in[0][1] && e[2] == in[0][2], "takes images of one size");
            channels += e[3];
        }
        return {in[0][0], in[0][1], in[0][2], channels};
    }
    extents operator()(const op::max_pool& p) const { return pooled(p); }
    extents operator()(const op::average_pool& p) const { return pooled(p); }
    extents operator()(const op::adaptive_average_pool& p) const {
        at_least(1, "size", p.size);
        require(in[0][1] > 0 && in[0][2] > 0, "takes images of at least one pixel");
        return {in[0][0], p.size.h, p.size.w, in[0][3]};
    }
    extents operator()(const op::local_response_norm& n) const {
        require<value_error>(n.size >= 1 && n.alpha >= 0 && n.k > 0,
                             "needs at least one channel, an alpha of at least 0 and a k above 0");
        return in[0];
    }
    extents operator()(const op::dropout& d) const {
        require<value_error>(d.probability >= 0 && d.probability < 1, "needs a probability of at least 0, below 1");
        return in[0];
    }
    extents operator()(const op::flatten&) const {
        return {in[0][0], 1, 1, checked_product({in[0][1], in[0][2], in[0][3]})};
    }
    extents operator()(const op::padded_shortcut& s) const {
        at_least(1, "stride", s.stride);
        require(s.zeros_before >= 0 && s.zeros_behind >= 0, "its channels of zeros are negative");
        return {in[0][0], (in[0][1] + s.stride.h - 1) / s.stride.h, (in[0][2] + s.stride.w - 1) / s.stride.w,
                in[0][3] + s.zeros_before + s.zeros_behind};
    }
};

/// How many inputs an operation takes; 0 for any number from one on.
inline std::size_t input_count(const operation& op) {
    return std::visit(overloaded{[](const op::add&) -> std::size_t { return 2; },
                                 [](const op::concatenate&) -> std::size_t { return 0; },
                                 [](const auto&) -> std::size_t { return 1; }},
                      op);
}

/// The shape that node `i` gives, from those of the nodes before it.
inline extents output_shape(const network& net, std::size_t i, std::span<const extents> shapes) {
    const node& n = net.nodes[i];
    std::vector<extents> in;
    for (const std::size_t from : n.inputs) {
        require<value_error>(from < i, n.name, ": reads node ", from, ", but is node ", i, " and reads earlier ones");
        in.push_back(shapes[from]);
    }
    const auto with_context = [&](const char* fault) {
        std::string got;
        for (std::size_t j = 0; j < in.size(); ++j)
            got += join(j == 0 ? " of " : " and ", in[j], " (", net.nodes[n.inputs[j]].name, ')');
        return join(n.name, ": ", describe(n.op), got, ": ", fault);
    };
    const std::size_t wanted = input_count(n.op);
    if (wanted == 0 ? in.empty() : in.size() != wanted)
        fail<value_error>(with_context(wanted == 0   ? "takes at least one input"
                                       : wanted == 1 ? "takes one input"
                                                     : "takes two inputs"));
    try {
        return std::visit(shape_rule{in}, n.op);
    } catch (const shape_error& e) {
        throw shape_error(with_context(e.what()));
    } catch (const value_error& e) {
        throw value_error(with_context(e.what()));
    }
}

} // namespace detail

/// The shape of the images that the network is meant for. Throws value_error if its first node is no input.
inline extents image_shape(const network& net, dim_t batch) {
    const auto* images = net.nodes.empty() ? nullptr : std::get_if<op::input>(&net.nodes.front().op);
    require<value_error>(images && net.nodes.front().inputs.empty(), "network: its first node is not the input");
    return {batch, images->height, images->width, images->channels};
}

/// Checks the whole network and gives, for each node, the shape of its output, batch x height x width x channels, for
/// `images` of any size that its operations take. Throws shape_error or value_error, which name the first node that
/// does not fit.
inline std::vector<extents> infer_shapes(const network& net, const extents& images) {
    const extents usual = image_shape(net, images.rank() > 0 ? images[0] : 0);
    require(images.rank() == 4 && images[3] == usual[3], net.nodes.front().name, ": takes images of ", usual[3],
            " channels, batch x height x width x channels, got ", images);
    std::vector<extents> shapes{images};
    std::vector<std::string> names;
    for (std::size_t i = 1; i < net.nodes.size(); ++i) shapes.push_back(detail::output_shape(net, i, shapes));
    for (const node& n : net.nodes) names.push_back(n.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    require<value_error>(twice == names.end(), "network: two nodes are called '",
                         twice == names.end() ? std::string() : *twice, "'");
    require<value_error>(!net.outputs.empty(), "network: has no output");
    for (const network_output& out : net.outputs) {
        require<value_error>(out.node < net.nodes.size(), "network: its output is node ", out.node, " of ",
                             net.nodes.size());
        const extents& shape = shapes[out.node];
        require(shape[1] == 1 && shape[2] == 1, net.nodes[out.node].name, ": an output is one vector of logits, is ",
                shape);
    }
    return shapes;
}

/// The same for a batch of images of the size that the network is meant for.
inline std::vector<extents> infer_shapes(const network& net, dim_t batch) {
    return infer_shapes(net, image_shape(net, batch));
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
