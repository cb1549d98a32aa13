// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a node of a network, with the nodes that ride on it (node_groups.hpp), to the unit that does its work.

#include <algorithm>
#include <utility>
#include <vector>

#include "intaglio/train/node_groups.hpp"
#include "intaglio/train/units.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// The unit of a group of nodes. `shapes` are those of all nodes, `of_product` is for a convolution or linear layer.
template <class T>
unit<T> make_unit(const nn::network& net, const std::vector<extents>& shapes, const node_group& group, unit_links links,
                  const plan_options& options, const product_options& of_product) {
    const std::size_t head = group.head, tail = group.tail;
    const bool rectify = group.is_rectified(net);
    const std::size_t from = net.nodes[head].inputs.empty() ? 0 : net.nodes[head].inputs[0];
    const extents &in = shapes[from], &out = shapes[tail];
    const auto product = [&](const conv_geometry& g) {
        const bool in_float = std::count(options.in_float.begin(), options.in_float.end(), net.nodes[head].name) > 0;
        if (in_float && !std::is_same_v<T, float>)
            return unit<T>(product_step<T>{std::move(links), widened_product<T>(g, options.storage.operands), rectify});
        return unit<T>(product_step<T>{std::move(links), product_unit<T>(g, of_product), rectify});
    };
    const auto pool = [&](pool_axis y, pool_axis x, bool is_maximum, bool counts_padding) {
        require(!is_maximum || y.longest() * x.longest() <= 256, net.nodes[head].name,
                ": a window of a max pool has at most 256 pixels here, not ", y.longest(), " x ", x.longest());
        return unit<T>(pool_step<T>{
            std::move(links), {map_shape(in), map_shape(out), std::move(y), std::move(x), counts_padding}, is_maximum});
    };
    const auto axis = [&](const auto& p, bool vertical) {
        return vertical ? pool_axis::of(in[1], p.kernel.h, p.stride.h, p.padding.h, p.ceil_mode)
                        : pool_axis::of(in[2], p.kernel.w, p.stride.w, p.padding.w, p.ceil_mode);
    };
    return std::visit(nn::overloaded{
                          [&](const nn::op::convolution& c) { return product(nn::geometry_of(c, in)); },
                          [&](const nn::op::linear& l) { return product(nn::geometry_of(l, in)); },
                          [&](const nn::op::batch_norm& n) {
                              return unit<T>(norm_step<T>{std::move(links), norm_state<T>(n.channels), n, rectify});
                          },
                          [&](const nn::op::relu&) {
                              return unit<T>(sum_step<T>{std::move(links), true});
                          },
                          [&](const nn::op::add&) {
                              return unit<T>(sum_step<T>{std::move(links), rectify});
                          },
                          [&](const nn::op::concatenate&) {
                              concat_step<T> step{std::move(links), {}, map_shape(out)};
                              for (const std::size_t i : net.nodes[head].inputs) step.in.emplace_back(shapes[i]);
                              return unit<T>(std::move(step));
                          },
                          [&](const nn::op::max_pool& p) { return pool(axis(p, true), axis(p, false), true, false); },
                          [&](const nn::op::average_pool& p) {
                              return pool(axis(p, true), axis(p, false), false, p.count_include_pad);
                          },
                          [&](const nn::op::adaptive_average_pool& p) {
                              return pool(pool_axis::adaptive(in[1], p.size.h), pool_axis::adaptive(in[2], p.size.w),
                                          false, false);
                          },
                          [&](const nn::op::local_response_norm& n) {
                              require(n.size <= 256, net.nodes[head].name,
                                      ": a local response norm sums at most 256 channels here, not ", n.size);
                              return unit<T>(response_step<T>{std::move(links),
                                                              map_shape(in),
                                                              {n.size, static_cast<float>(n.alpha),
                                                               static_cast<float>(n.beta), static_cast<float>(n.k)}});
                          },
                          [&](const nn::op::dropout& d) {
                              return unit<T>(dropout_step<T>{std::move(links), d.probability});
                          },
                          [&](const nn::op::padded_shortcut& s) {
                              return unit<T>(shortcut_step<T>{std::move(links), map_shape(in), map_shape(out), s});
                          },
                          [&](const nn::op::input&) -> unit<T> { fail<value_error>("plan: an input is no unit"); },
                          [&](const nn::op::flatten&) -> unit<T> { fail<value_error>("plan: a flatten is no unit"); },
                      },
                      net.nodes[head].op);
}

} // namespace intaglio::inline INTAGLIO_ABI::train
