// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a coded network computes: node by node, in integers, the text that integer_network.hpp equals bit for bit.
// Normative, and slow. The real value of an activation is step * code in float where it is stored, and what the node
// computed where it is not:
//
//   convolution, linear   t = sum of in codes * weight codes, exact;
//                         v = output_value(t, output_factor<int32>(in step * weight step)) + bias
//                         (numeric/rescale.hpp)
//   add, relu             v = a + b, v = max(a, 0), in float
//   average pools         t = sum of codes; v = output_value(t, output_factor<int32>(in step / pixels))
//   response norm         v = nn/reference/response_norm.hpp of the real values
//   max pool, flatten,    codes as they are (padded channels are zeros)
//   shortcut
//   concatenate           codes as they are where the formats agree, otherwise v = the real value
//
// and a node that is stored keeps round_to_nearest_even(v * (1 / step)), saturated to 0 .. 255 or -127 .. 127.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/nn/reference/elementwise.hpp"
#include "intaglio/nn/reference/pooling.hpp"
#include "intaglio/nn/reference/response_norm.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/numeric/rescale.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

namespace detail {

/// The code of a real number.
inline std::int32_t code_of(float v, const activation_format& format) {
    const float inverse = 1 / format.step;
    return format.is_signed ? std::int32_t{requantize<fixed<8>>(v, inverse)}
                            : std::int32_t{requantize<unsigned_fixed<8>>(v, inverse)};
}

/// The outputs of a node: codes where it is stored, real numbers where it is not.
struct coded_values {
    extents shape;
    activation_format format;
    std::vector<std::int32_t> codes;
    std::vector<float> reals;

    float real(dim_t i) const {
        const auto at = static_cast<std::size_t>(i);
        return format.is_stored() ? static_cast<float>(codes[at]) * format.step : reals[at];
    }
    void put(float v) {
        if (format.is_stored())
            codes.push_back(code_of(v, format));
        else
            reals.push_back(v);
    }
};

/// One node; `out` has its shape and format.
struct coded_meaning {
    const std::vector<const coded_values*>& in;
    const coded_product* product;
    int planes;
    coded_values& out;

    const coded_values& x() const { return *in[0]; }

    void operator()(const nn::op::convolution& c) const { multiply(nn::geometry_of(c, x().shape)); }
    void operator()(const nn::op::linear& l) const { multiply(nn::geometry_of(l, x().shape)); }
    void operator()(const nn::op::add&) const {
        for (dim_t i = 0; i < out.shape.size(); ++i) out.put(x().real(i) + in[1]->real(i));
    }
    void operator()(const nn::op::relu&) const {
        for (dim_t i = 0; i < out.shape.size(); ++i) {
            const float v = x().real(i);
            out.put(0.0F > v ? 0.0F : v);
        }
    }
    void operator()(const nn::op::concatenate&) const {
        const dim_t pixels = out.shape[0] * out.shape[1] * out.shape[2];
        for (dim_t p = 0; p < pixels; ++p)
            for (const coded_values* part : in)
                for (dim_t i = p * part->shape[3]; i < (p + 1) * part->shape[3]; ++i) {
                    if (part->format == out.format)
                        out.codes.push_back(part->codes[static_cast<std::size_t>(i)]);
                    else
                        out.put(part->real(i));
                }
    }
    void operator()(const nn::op::max_pool& p) const {
        nn::reference::detail::for_each_pool_window(
            p, x().shape, out.shape, [&](dim_t, const nn::pool_window& y, const nn::pool_window& xs, dim_t b, dim_t c) {
                std::int32_t most = x().codes[position(b, y.begin, xs.begin, c)];
                for (dim_t h = y.begin; h < y.end; ++h)
                    for (dim_t w = xs.begin; w < xs.end; ++w) most = std::max(most, x().codes[position(b, h, w, c)]);
                out.codes.push_back(most);
            });
    }
    void operator()(const nn::op::average_pool& p) const { average(p); }
    void operator()(const nn::op::adaptive_average_pool& p) const { average(p); }
    void operator()(const nn::op::local_response_norm& n) const {
        const dim_t channels = out.shape[3];
        std::vector<float> values(static_cast<std::size_t>(channels)), normed(values.size());
        for (dim_t i = 0; i < out.shape.size(); i += channels) {
            for (dim_t c = 0; c < channels; ++c) values[static_cast<std::size_t>(c)] = x().real(i + c);
            nn::reference::local_response_norm(n, values.data(), 1, channels, normed.data());
            for (const float v : normed) out.put(v);
        }
    }
    void operator()(const nn::op::flatten&) const { out.codes = x().codes; }
    void operator()(const nn::op::padded_shortcut& s) const {
        out.codes.assign(static_cast<std::size_t>(out.shape.size()), 0);
        nn::reference::detail::for_each_kept(s, x().shape, out.shape, [&](dim_t from, dim_t to) {
            out.codes[static_cast<std::size_t>(to)] = x().codes[static_cast<std::size_t>(from)];
        });
    }
    template <class Op>
    void operator()(const Op& o) const {
        fail<value_error>("coded network: a ", nn::describe(o), " is not part of it");
    }

private:
    std::size_t position(dim_t b, dim_t y, dim_t xs, dim_t c) const {
        return static_cast<std::size_t>(nn::reference::detail::position(x().shape, b, y, xs, c));
    }

    void multiply(const conv_geometry& g) const {
        const channel_codes weights = sum_of_planes(*product, planes);
        const std::vector<float> bias = product->planes[static_cast<std::size_t>(planes - 1)].bias.values();
        const dim_t channels = g.group_in_channels();
        for (dim_t b = 0; b < g.batch; ++b)
            for (dim_t y = 0; y < g.out_height(); ++y)
                for (dim_t xs = 0; xs < g.out_width(); ++xs)
                    for (dim_t o = 0; o < g.out_channels; ++o) {
                        std::int32_t total = 0;
                        for (dim_t r = 0; r < g.kernel_h; ++r)
                            for (dim_t s = 0; s < g.kernel_w; ++s) {
                                const dim_t h = y * g.stride_h + r * g.dilation_h - g.pad_h,
                                            w = xs * g.stride_w + s * g.dilation_w - g.pad_w;
                                if (h < 0 || h >= g.height || w < 0 || w >= g.width) continue;
                                const dim_t first = o / g.group_out_channels() * channels;
                                for (dim_t c = 0; c < channels; ++c)
                                    total += x().codes[position(b, h, w, first + c)] *
                                             weights.codes[((o * g.kernel_h + r) * g.kernel_w + s) * channels + c];
                            }
                        const auto at = static_cast<std::size_t>(o);
                        const double scales =
                            static_cast<double>(x().format.step) * static_cast<double>(weights.steps[at]);
                        out.put(output_value(total, output_factor<std::int32_t>(scales)) + bias[at]);
                    }
    }

    template <class Pool>
    void average(const Pool& p) const {
        nn::reference::detail::for_each_pool_window(
            p, x().shape, out.shape, [&](dim_t, const nn::pool_window& y, const nn::pool_window& xs, dim_t b, dim_t c) {
                std::int32_t total = 0;
                for (dim_t h = y.begin; h < y.end; ++h)
                    for (dim_t w = xs.begin; w < xs.end; ++w) total += x().codes[position(b, h, w, c)];
                const double scale = static_cast<double>(x().format.step) /
                                     static_cast<double>(nn::reference::detail::divisor(p, y, xs));
                out.put(output_value(total, output_factor<std::int32_t>(scale)));
            });
    }
};

} // namespace detail

/// The logits, batch x classes, of images in FP32 (batch x height x width x channels) at a level, 1 ..
/// coded.level_count(). Throws as check() and nn::infer_shapes do, and value_error for another level.
inline tensor<float> reference_logits(const coded_network& coded, const tensor<float>& images, int level = 1) {
    const float_environment scope;
    check(coded);
    require<value_error>(level >= 1 && level <= coded.level_count(), "level ", level, " of a network with ",
                         coded.level_count());
    const std::vector<extents> shapes = nn::infer_shapes(coded.net, images.shape());
    std::vector<detail::coded_values> values;
    for (std::size_t i = 0; i < coded.net.nodes.size(); ++i) {
        const nn::node& n = coded.net.nodes[i];
        detail::coded_values out{shapes[i], coded.formats[i], {}, {}};
        if (i == 0) {
            for (const float v : images) out.put(v);
        } else {
            std::vector<const detail::coded_values*> in;
            for (const std::size_t from : n.inputs) in.push_back(&values[from]);
            std::visit(detail::coded_meaning{in, coded.products[i] ? &*coded.products[i] : nullptr,
                                             coded.planes_at(level, i), out},
                       n.op);
        }
        values.push_back(std::move(out));
    }
    const detail::coded_values& last = values[coded.net.outputs.front().node];
    tensor<float> logits({last.shape[0], last.shape[3]});
    for (dim_t i = 0; i < logits.size(); ++i) logits[i] = last.real(i);
    return logits;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
