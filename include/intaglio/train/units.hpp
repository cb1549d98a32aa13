// SPDX-License-Identifier: Apache-2.0
#pragma once

// The units of a training plan: what passes over memory once, each a node of the network with the nodes that ride on it
// (plan.hpp finds them). A unit is a struct of indices into the plan's tensors and parameters, with its two directions
// as functions of a `workspace`; there is one struct for each kind of work, none for a number format.
//
//   unit          nodes                                              reads        keeps for the gradient
//   product_step  convolution or linear (+ relu)                     x            x
//   norm_step     batch norm (+ add) (+ relu)                        y, shortcut  y
//   sum_step      add or relu alone (+ relu)                         a, b         nothing
//   pool_step     max pool, average pools                            x            numbers of largest pixels
//   concat_step, shortcut_step, response_step, dropout_step          x            x for response norm

#include <optional>
#include <variant>

#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/shapes.hpp"
#include "intaglio/train/elementwise.hpp"
#include "intaglio/train/normalise.hpp"
#include "intaglio/train/options.hpp"
#include "intaglio/train/parameter_gradients.hpp"
#include "intaglio/train/pooling.hpp"
#include "intaglio/train/product.hpp"
#include "intaglio/train/profile.hpp"
#include "intaglio/train/response_norm.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

inline constexpr std::size_t no_tensor = static_cast<std::size_t>(-1);

/// What the units of a plan work on.
template <class T>
struct workspace {
    std::vector<stored<T>> tensors;
    nn::parameters* parameters = nullptr;
    parameter_gradients gradients;
    buffer<T> weights; ///< a product's, from when they are stored until they are packed
    storage_options options;
    bool training = true;
    std::uint64_t seed = 0, step = 0; ///< of dropout and dither
    executor_ref exec;
    profile* times = nullptr;

    /// Of a gradient, in this step. Dropout takes blocks of the same streams from 0 on.
    std::optional<dithered> dither(std::size_t tensor) const {
        constexpr std::uint64_t block = ~std::uint64_t{0};
        if (std::is_same_v<T, float> || !options.dither_gradients) return {};
        return dithered{random_words(seed, step << 16 | tensor, block)[0]};
    }
};

/// Where a unit writes the gradient by one of its inputs: indices of tensors, as gradient_target has pointers.
struct gradient_write {
    std::size_t d = no_tensor; ///< none: nobody needs it, or `alias`
    std::size_t addend = no_tensor;
    std::size_t mask = no_tensor;

    template <class T>
    gradient_target<T> in(workspace<T>& w) const {
        return {&w.tensors[d], addend == no_tensor ? nullptr : &w.tensors[addend],
                mask == no_tensor ? nullptr : &w.tensors[mask], w.dither(d)};
    }
};

/// What all units have.
struct unit_links {
    std::size_t node = 0;                                         ///< whose work it is
    std::string name;                                             ///< of that node
    std::vector<std::size_t> inputs{};                            ///< tensors
    std::size_t output = no_tensor;                               ///< tensor
    std::size_t d_output = no_tensor;                             ///< the gradient by the output; none: nothing to do
    std::vector<gradient_write> d_input{};                        ///< for each input
    tensor_report *weights = nullptr, *weight_gradient = nullptr; ///< of whoever watches
};

template <class T>
struct product_step {
    unit_links links;
    std::variant<product_unit<T>, widened_product<T>> product;
    bool rectify = false;
    buffer<float>* logits = nullptr; ///< of an output of the network: written instead of the tensor
    buffer<sum_of<T>> partial{};

    bool needs_input_gradient() const { return links.d_input.front().d != no_tensor; }

    const conv_geometry& geometry() const {
        return std::visit([](const auto& p) -> const conv_geometry& { return p.geometry(); }, product);
    }

    void set_weights(workspace<T>& w) {
        const auto watch = time_of(w.times, links.name, pass_kind::weights);
        std::visit([&](auto& p) { p.set_weights(master(w), links.name, w.exec, w.weights, links.weights); }, product);
    }
    void forward(workspace<T>& w) {
        const auto watch = time(w, pass_kind::forward);
        const float* const bias = w.parameters->find(links.node, nn::parameter_role::bias);
        const stored<T>& x = w.tensors[links.inputs.front()];
        std::visit(
            [&](auto& p) {
                if (logits)
                    p.forward(x, logits->data(), bias, w.exec, w.tensors[links.output].report);
                else
                    p.forward(x, w.tensors[links.output], bias, rectify, links.name, w.exec);
            },
            product);
    }
    void backward(workspace<T>& w) {
        const stored<T>&x = w.tensors[links.inputs.front()], &d_y = w.tensors[links.d_output];
        {
            const auto watch = time(w, pass_kind::weight_gradient);
            float* const d_w = w.gradients.at(links.node, nn::parameter_role::weight);
            std::visit([&](auto& p) { p.weight_gradient(x, d_y, d_w, w.exec, links.weight_gradient); }, product);
        }
        if (float* const d_bias = w.gradients.at(links.node, nn::parameter_role::bias)) {
            const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, d_y.size * dim_t{sizeof(T)});
            bias_gradient(d_y, channel_walk(geometry().out_channels), d_bias, partial, w.exec);
        }
        if (!needs_input_gradient()) return;
        {
            const auto watch = time_of(w.times, links.name, pass_kind::weights);
            std::visit([&](auto& p) { p.set_gradient_weights(master(w), links.name, w.exec, w.weights); }, product);
        }
        const auto watch = time(w, pass_kind::input_gradient);
        std::visit([&](auto& p) { p.input_gradient(d_y, links.d_input.front().in(w), links.name, w.exec); }, product);
    }

private:
    const float* master(const workspace<T>& w) const {
        return w.parameters->find(links.node, nn::parameter_role::weight);
    }
    stopwatch time(const workspace<T>& w, pass_kind kind) const {
        const conv_geometry& g = geometry();
        const dim_t elements =
            g.in_pixels() * g.in_channels + g.out_pixels() * g.out_channels + g.out_channels * g.filter_size();
        return time_of(w.times, links.name, kind, static_cast<double>(g.macs()), elements * dim_t{sizeof(T)});
    }
};

template <class T>
struct norm_step {
    unit_links links; ///< inputs: y, and the shortcut if any
    norm_state<T> state;
    nn::op::batch_norm norm;
    bool rectify = false;

    const float* parameter(const workspace<T>& w, nn::parameter_role role) const {
        return w.parameters->find(links.node, role);
    }
    bool frozen(const workspace<T>& w) const { return norm.frozen || !w.training; }

    void forward(workspace<T>& w) {
        const stored<T>& y = w.tensors[links.inputs[0]];
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0,
                                   y.size * dim_t{sizeof(T)} * static_cast<dim_t>(links.inputs.size() + 2));
        float* const mean = w.parameters->find(links.node, nn::parameter_role::running_mean);
        float* const variance = w.parameters->find(links.node, nn::parameter_role::running_variance);
        if (frozen(w)) {
            state.statistics.mean.assign(mean, mean + norm.channels);
            state.statistics.variance.assign(variance, variance + norm.channels);
        } else {
            batch_statistics(y, state.walk, state.statistics, state.partial, w.exec);
            nn::reference::move_running_statistics(norm, state.statistics, state.walk.pixels_of(y.size), mean,
                                                   variance);
        }
        normalise(y, state, parameter(w, nn::parameter_role::weight), parameter(w, nn::parameter_role::bias),
                  norm.epsilon, links.inputs.size() > 1 ? &w.tensors[links.inputs[1]] : nullptr, rectify,
                  w.tensors[links.output], w.options.operands, links.name, w.exec);
    }

    void backward(workspace<T>& w) {
        const stored<T>&d = w.tensors[links.d_output], &y = w.tensors[links.inputs[0]];
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 5 * y.size * dim_t{sizeof(T)});
        if (links.inputs.size() > 1 && links.d_input[1].d != no_tensor)
            pass_on(d, links.d_input[1].in(w), w.options.operands, links.name, w.exec);
        std::vector<float> unused(static_cast<std::size_t>(2 * norm.channels));
        float* d_gamma = w.gradients.at(links.node, nn::parameter_role::weight);
        float* d_beta = w.gradients.at(links.node, nn::parameter_role::bias);
        if (!d_gamma || !d_beta) d_gamma = unused.data(), d_beta = unused.data() + norm.channels;
        normalise_sums(d, y, state, norm.epsilon, d_gamma, d_beta, w.exec);
        if (links.d_input[0].d != no_tensor)
            normalise_gradient(d, y, state, parameter(w, nn::parameter_role::weight), d_gamma, d_beta, norm.epsilon,
                               frozen(w), links.d_input[0].in(w), w.options.operands, links.name, w.exec);
    }
};

template <class T>
struct sum_step {
    unit_links links; ///< one or two inputs
    bool rectify = false;

    void forward(workspace<T>& w) {
        const stored<T>& a = w.tensors[links.inputs[0]];
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0,
                                   a.size * dim_t{sizeof(T)} * static_cast<dim_t>(links.inputs.size() + 1));
        combine(a, links.inputs.size() > 1 ? &w.tensors[links.inputs[1]] : nullptr, rectify, w.tensors[links.output],
                w.options.operands, links.name, w.exec);
    }
    void backward(workspace<T>& w) {
        for (const gradient_write& to : links.d_input) {
            if (to.d == no_tensor) continue;
            const stored<T>& d = w.tensors[links.d_output];
            const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * d.size * dim_t{sizeof(T)});
            pass_on(d, to.in(w), w.options.operands, links.name, w.exec);
        }
    }
};

template <class T>
struct pool_step {
    unit_links links;
    pool_windows windows;
    bool is_maximum = false;
    std::uint8_t* largest = nullptr; ///< of maxima; in the plan's memory

    void forward(workspace<T>& w) {
        const stored<T>& x = w.tensors[links.inputs.front()];
        stored<T>& y = w.tensors[links.output];
        const auto watch =
            time_of(w.times, links.name, pass_kind::elementwise, 0, (x.size + y.size) * dim_t{sizeof(T)});
        if (is_maximum)
            maximum(x, windows, y, largest, w.exec);
        else
            average(x, windows, y, w.options.operands, links.name, w.exec);
    }
    void backward(workspace<T>& w) {
        const gradient_write& to = links.d_input.front();
        if (to.d == no_tensor) return;
        const stored<T>& d = w.tensors[links.d_output];
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0,
                                   (windows.in.size() + windows.out.size()) * dim_t{sizeof(T)});
        if (is_maximum)
            maximum_gradient(d, largest, windows, to.in(w), w.options.operands, links.name, w.exec);
        else
            average_gradient(d, windows, to.in(w), w.options.operands, links.name, w.exec);
    }
};

template <class T>
struct concat_step {
    unit_links links;
    std::vector<map_shape> in;
    map_shape out;

    void forward(workspace<T>& w) {
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * out.size() * dim_t{sizeof(T)});
        std::vector<const stored<T>*> parts;
        for (const std::size_t i : links.inputs) parts.push_back(&w.tensors[i]);
        concatenate<T>(parts, in, out, w.tensors[links.output], w.options.operands, links.name, w.exec);
    }
    void backward(workspace<T>& w) {
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * out.size() * dim_t{sizeof(T)});
        dim_t first = 0;
        for (std::size_t i = 0; i < in.size(); first += in[i++].channels)
            if (links.d_input[i].d != no_tensor)
                concatenate_gradient(w.tensors[links.d_output], out, first, in[i], links.d_input[i].in(w),
                                     w.options.operands, links.name, w.exec);
    }
};

template <class T>
struct shortcut_step {
    unit_links links;
    map_shape in, out;
    nn::op::padded_shortcut shortcut;

    void forward(workspace<T>& w) {
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * out.size() * dim_t{sizeof(T)});
        subsample(w.tensors[links.inputs.front()], in, shortcut.stride.h, shortcut.stride.w, shortcut.zeros_before, out,
                  w.tensors[links.output], w.options.operands, links.name, w.exec);
    }
    void backward(workspace<T>& w) {
        if (links.d_input.front().d == no_tensor) return;
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * in.size() * dim_t{sizeof(T)});
        subsample_gradient(w.tensors[links.d_output], out, shortcut.stride.h, shortcut.stride.w, shortcut.zeros_before,
                           in, links.d_input.front().in(w), w.options.operands, links.name, w.exec);
    }
};

template <class T>
struct response_step {
    unit_links links;
    map_shape map;
    response_norm norm;

    void forward(workspace<T>& w) {
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * map.size() * dim_t{sizeof(T)});
        normalise_responses(w.tensors[links.inputs.front()], map, norm, w.tensors[links.output], w.options.operands,
                            links.name, w.exec);
    }
    void backward(workspace<T>& w) {
        if (links.d_input.front().d == no_tensor) return;
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 3 * map.size() * dim_t{sizeof(T)});
        response_norm_gradient(w.tensors[links.d_output], w.tensors[links.inputs.front()], map, norm,
                               links.d_input.front().in(w), w.options.operands, links.name, w.exec);
    }
};

template <class T>
struct dropout_step {
    unit_links links;
    double probability = 0.5;

    dropout_mask mask(const workspace<T>& w) const {
        return {w.seed, w.step << 16 | links.node, w.training ? probability : 0.0};
    }
    void forward(workspace<T>& w) {
        const stored<T>& x = w.tensors[links.inputs.front()];
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * x.size * dim_t{sizeof(T)});
        drop<T>(x, mask(w), {.d = &w.tensors[links.output]}, w.options.operands, links.name, w.exec);
    }
    void backward(workspace<T>& w) {
        if (links.d_input.front().d == no_tensor) return;
        const stored<T>& d = w.tensors[links.d_output];
        const auto watch = time_of(w.times, links.name, pass_kind::elementwise, 0, 2 * d.size * dim_t{sizeof(T)});
        drop<T>(d, mask(w), links.d_input.front().in(w), w.options.operands, links.name, w.exec);
    }
};

template <class T>
using unit = std::variant<product_step<T>, norm_step<T>, sum_step<T>, pool_step<T>, concat_step<T>, shortcut_step<T>,
                          response_step<T>, dropout_step<T>>;

template <class T>
unit_links& links_of(unit<T>& u) {
    return std::visit([](auto& step) -> unit_links& { return step.links; }, u);
}

} // namespace intaglio::inline INTAGLIO_ABI::train
