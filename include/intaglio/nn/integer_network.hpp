// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a coded network: 8-bit activations from layer to layer, logits in FP32. Weights are packed once, when the object
// is made, for each level of the dial; from then on it is immutable. A level is an argument of `run`: two requests, or
// two threads, may use different ones, and no weight moves.
//
//   image -> u8 -> [conv, scale and shift, ReLU, u8] ... [max pool on u8] ... [average on u8] -> last layer -> FP32

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/coded_network.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

class integer_network {
public:
    /// Memory for the activations between layers, kept from call to call. One for each thread that runs the network.
    struct workspace {
        buffer<std::uint8_t> in, out;
    };

    /// Packs the weights. Throws value_error for more planes than max_planes; shape_error where a layer contradicts
    /// itself.
    explicit integer_network(const coded_network& network, executor_ref exec = {}) : levels_(network.levels()) {
        for (const auto& stage : network.stages)
            stages_.push_back(std::visit([&](const auto& s) { return prepare(s, exec); }, stage));
        require<value_error>(!stages_.empty() && std::holds_alternative<packed_conv>(stages_.front()),
                             "integer network: the first stage is not a convolution");
        const auto* last = std::get_if<packed_conv>(&stages_.back());
        require<value_error>(last != nullptr && last->out_scale == 0,
                             "integer network: the last stage does not give real numbers");
        for (std::size_t i = 0; i + 1 < stages_.size(); ++i)
            if (const auto* conv = std::get_if<packed_conv>(&stages_[i]))
                require<value_error>(conv->out_scale > 0, "integer network: ", conv->name,
                                     " is not the last stage but gives real numbers");
    }

    int levels() const { return levels_; }

    /// The outputs of the last layer, batch x 1 x 1 x classes, for images (batch x height x width x channels, values >=
    /// 0) at a level 1 .. levels() of the dial. shape_error for images of other channels, value_error for a NaN or
    /// infinite pixel, or a level that is none.
    tensor<float> run(const tensor<float>& images, int level, workspace& memory, executor_ref exec = {}) const {
        const float_environment scope;
        require<value_error>(level >= 1 && level <= levels_, "integer network: level ", level, " of 1 to ", levels_);
        largest_magnitude(images.span(), "integer network: images", exec);
        extents shape = images.shape();
        quantize_images(images, memory.in);
        tensor<float> logits;
        for (const auto& stage : stages_) {
            if (const auto* conv = std::get_if<packed_conv>(&stage)) {
                const conv_geometry g = conv->shape.on(shape, conv->name);
                shape = {g.batch, g.out_height(), g.out_width(), g.out_channels};
                if (conv->out_scale == 0) {
                    logits = tensor<float>(shape, uninitialized);
                    convolve(*conv, g, memory.in.data(), level,
                             matrix_view<float>{logits.data(), g.out_pixels(), g.out_channels},
                             epilogue{scale_shift{conv->scale, conv->shift}}, exec);
                } else {
                    reserve(memory.out, shape.size());
                    convolve(*conv, g, memory.in.data(), level,
                             quantized_view<std::uint8_t>{{memory.out.data(), g.out_pixels(), g.out_channels},
                                                          1 / conv->out_scale},
                             epilogue{scale_shift{conv->scale, conv->shift}, intaglio::relu{}}, exec);
                }
            } else if (const auto* pool = std::get_if<max_pool_stage>(&stage)) {
                shape = take_maxima(*pool, shape, memory);
            } else {
                shape = take_averages(std::get<average_pool_stage>(stage), shape, memory);
            }
            std::swap(memory.in, memory.out);
        }
        return logits;
    }

private:
    template <int Planes>
    using ternary = ternary8_inference<Planes, scale_run>;
    template <int Digits>
    using locked = ternary8_locked<Digits, scale_run>;
    using packed_weights = std::variant<packed_filter<int8_inference>, packed_filter<ternary<1>>,
                                        packed_filter<ternary<2>>, packed_filter<ternary<3>>, packed_filter<locked<1>>,
                                        packed_filter<locked<2>>, packed_filter<locked<3>>>;
    template <class P>
    struct policy_of;
    template <class P>
    struct policy_of<packed_filter<P>> {
        using type = P;
    };

    struct packed_conv {
        std::string name;
        conv2d_shape shape;
        std::vector<packed_weights> by_level; // one for each level that differs
        std::vector<float> scale, shift;
        float in_scale, out_scale;
    };
    using packed_stage = std::variant<packed_conv, max_pool_stage, average_pool_stage>;

    static packed_stage prepare(const max_pool_stage& s, executor_ref) { return s; }
    static packed_stage prepare(const average_pool_stage& s, executor_ref) { return s; }
    static packed_stage prepare(const coded_conv& c, executor_ref exec) {
        packed_conv packed{c.name, c.shape, {}, c.scale, c.shift, c.in_scale, c.out_scale};
        const auto channels = static_cast<std::size_t>(c.shape.out_channels);
        require(c.scale.size() == channels && c.shift.size() == channels, c.name, ": ", c.shape.out_channels,
                " channels, but ", c.scale.size(), " scales and ", c.shift.size(), " shifts");
        conv_geometry g; // what packing depends on: the filter, not the image
        g.height = g.width = g.kernel_h = g.kernel_w = c.shape.kernel;
        g.in_channels = c.shape.in_channels;
        g.out_channels = c.shape.out_channels;
        const auto pack = [&]<class P>(const auto& weights) {
            packed.by_level.emplace_back(
                pack_filter<P>(g, weights.template as_rhs<rhs_view<P>>(), rhs_storage::fast, exec));
        };
        if (const auto* greedy = std::get_if<ternary_tensor>(&c.weights)) {
            require<value_error>(greedy->planes() <= max_planes, c.name, ": ", greedy->planes(), " planes; 1 to ",
                                 max_planes, " are supported");
            pack.template operator()<ternary<1>>(*greedy);
            if (greedy->planes() >= 2) pack.template operator()<ternary<2>>(*greedy);
            if (greedy->planes() >= 3) pack.template operator()<ternary<3>>(*greedy);
        } else if (const auto* codes = std::get_if<locked_tensor>(&c.weights)) {
            require<value_error>(codes->digits() <= max_planes, c.name, ": ", codes->digits(), " locked planes; 1 to ",
                                 max_planes, " are supported");
            if (codes->digits() == 1) pack.template operator()<locked<1>>(*codes);
            if (codes->digits() == 2) pack.template operator()<locked<2>>(*codes);
            if (codes->digits() == 3) pack.template operator()<locked<3>>(*codes);
        } else {
            pack.template operator()<int8_inference>(std::get<block_tensor<fixed<8>>>(c.weights));
        }
        return packed;
    }

    template <class Out, class Stages>
    static void convolve(const packed_conv& conv, const conv_geometry& g, const std::uint8_t* in, int level, Out out,
                         const Stages& stages, executor_ref exec) {
        const auto& weights =
            conv.by_level[static_cast<std::size_t>(planes_at(static_cast<dim_t>(conv.by_level.size()), level) - 1)];
        std::visit(
            [&](const auto& filter) {
                using policy = typename policy_of<std::remove_cvref_t<decltype(filter)>>::type;
                conv_forward<policy>(g, {in, static_cast<std::size_t>(g.in_pixels() * g.in_channels)},
                                     static_cast<double>(conv.in_scale), filter, out, stages, exec);
            },
            weights);
    }

    static void reserve(buffer<std::uint8_t>& memory, dim_t size) {
        if (memory.size() < size) memory = buffer<std::uint8_t>(size);
    }

    void quantize_images(const tensor<float>& images, buffer<std::uint8_t>& to) const {
        reserve(to, images.size());
        const float inverse = 1 / std::get<packed_conv>(stages_.front()).in_scale;
        for (dim_t i = 0; i < images.size(); ++i) to[i] = requantize<unsigned_fixed<8>>(images[i], inverse);
    }

    static extents take_maxima(const max_pool_stage& pool, const extents& in, workspace& memory) {
        const extents out = pool.output_shape(in);
        reserve(memory.out, out.size());
        const dim_t channels = in[3];
        std::uint8_t* to = memory.out.data();
        for (dim_t b = 0; b < out[0]; ++b)
            for (dim_t y = 0; y < out[1]; ++y)
                for (dim_t x = 0; x < out[2]; ++x, to += channels) {
                    std::fill_n(to, channels, std::uint8_t{0});
                    for (dim_t r = 0; r < pool.window; ++r)
                        for (dim_t s = 0; s < pool.window; ++s) {
                            const std::uint8_t* const from =
                                memory.in.data() +
                                ((b * in[1] + y * pool.stride + r) * in[2] + x * pool.stride + s) * channels;
                            for (dim_t c = 0; c < channels; ++c) to[c] = std::max(to[c], from[c]);
                        }
                }
        return out;
    }

    /// Rounded to the nearest step, halves up; the scale stays.
    static extents take_averages(const average_pool_stage& pool, const extents& in, workspace& memory) {
        const extents out = pool.output_shape(in);
        reserve(memory.out, out.size());
        const dim_t pixels = in[1] * in[2], channels = in[3];
        std::vector<std::int64_t> sums(static_cast<std::size_t>(channels));
        for (dim_t b = 0; b < in[0]; ++b) {
            std::fill(sums.begin(), sums.end(), 0);
            for (dim_t i = 0; i < pixels; ++i)
                for (dim_t c = 0; c < channels; ++c)
                    sums[static_cast<std::size_t>(c)] += memory.in[(b * pixels + i) * channels + c];
            for (dim_t c = 0; c < channels; ++c)
                memory.out[b * channels + c] =
                    static_cast<std::uint8_t>((2 * sums[static_cast<std::size_t>(c)] + pixels) / (2 * pixels));
        }
        return out;
    }

    std::vector<packed_stage> stages_;
    int levels_ = 1;
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
