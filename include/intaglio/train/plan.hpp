// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training plan: a network (nn/network.hpp), compiled once for a batch of images of one size and a storage type. What
// it decides beforehand:
//
//   units     nodes that pass over memory together (units.hpp): a batch norm with the add and the relu behind it, a
//             product with the relu behind it
//   tensors   one for what each unit writes, one for each gradient, alone or shared: a gradient that an add hands on
//             unchanged is the same tensor
//   memory    one block, in which tensors that are never needed at once share a place (arena.hpp)
//
// A step is then forward(), backward(), and an update of the parameters by their gradients (sgd.hpp), after which
// parameters_changed() must be called. Storage is float or std::int16_t; the text is the same. For float it is the
// baseline every claim is measured against, for int16 it is DFP16: activations and gradients wait in memory as int16,
// products multiply int16 pairs, everything else is computed in float on the way (storage.hpp); parameters, statistics,
// loss and update are FP32.
//
// Results have the same bits for every number of threads.

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "intaglio/core/float_environment.hpp"
#include "intaglio/train/arena.hpp"
#include "intaglio/train/cross_entropy.hpp"
#include "intaglio/train/make_unit.hpp"
#include "intaglio/train/stored_bits.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

template <class T>
class plan {
public:
    /// `parameters` are the network's and must outlive the plan; running statistics are written by forward passes in
    /// training. `images`: batch x height x width x channels. shape_error for a batch of no images; otherwise throws as
    /// nn::infer_shapes does.
    plan(const nn::network& net, const extents& images, nn::parameters& parameters, const plan_options& options = {},
         executor_ref exec = {})
        : net_(net), shapes_(nn::infer_shapes(net, images)), options_(options) {
        const float_environment scope;
        require(images[0] >= 1, "plan: a batch of ", images[0], " images; at least one is needed");
        for (const std::string& name : options_.in_float) nn::find_node(net_, name);
        w_.parameters = &parameters;
        w_.options = options.storage;
        w_.seed = options.seed;
        w_.exec = exec;
        w_.gradients = parameter_gradients(parameters);
        make_units();
        plan_gradients();
        plan_memory();
    }
    plan(const plan&) = delete;
    plan& operator=(const plan&) = delete;

    const nn::network& network() const { return net_; }
    const extents& images() const { return shapes_.front(); }
    dim_t batch() const { return images()[0]; }
    dim_t classes(std::size_t output = 0) const { return shapes_[net_.outputs[output].node][3]; }
    nn::parameters& parameters() { return *w_.parameters; }
    /// Of the last backward pass that kept them, in the order of the parameters; empty where one is not trained.
    std::vector<tensor<float>>& gradients() { return w_.gradients.kept(); }
    /// Bytes of activations and gradients.
    dim_t tensor_bytes() const { return arena_.bytes(); }
    void use(executor_ref exec) { w_.exec = exec; }
    void measure(profile* times) { w_.times = times; }
    /// From now on every pass reports what it stores (report.hpp), to rows that are made here; null: none does. The
    /// report must outlive the plan, or be taken away before. Logits stay floats.
    void watch(step_report* report) {
        const auto row = [&](std::size_t tensor, std::size_t node, tensor_role role) {
            if (tensor != no_tensor && w_.tensors[tensor].data)
                w_.tensors[tensor].report = report ? &report->add(net_.nodes[node].name, role) : nullptr;
        };
        row(tensor_of_[0], 0, tensor_role::images);
        const auto parameters = [&](unit<T>& u, tensor_role role) -> tensor_report* {
            return report && std::holds_alternative<product_step<T>>(u) ? &report->add(links_of(u).name, role)
                                                                        : nullptr;
        };
        for (unit<T>& u : units_) {
            links_of(u).weights = parameters(u, tensor_role::weights);
            row(links_of(u).output, node_of_[links_of(u).output], tensor_role::activation);
        }
        for (const output_place& o : outputs_) row(o.d.d, node_of_[o.tensor], tensor_role::gradient);
        for (auto u = units_.rbegin(); u != units_.rend(); ++u) {
            const unit_links& links = links_of(*u);
            links_of(*u).weight_gradient = parameters(*u, tensor_role::weight_gradient);
            for (std::size_t i = 0; i < links.d_input.size(); ++i)
                row(links.d_input[i].d, node_of_[links.inputs[i]], tensor_role::gradient);
        }
        stale_ = true; // weights are reported when they are stored
    }
    /// Counts steps for dropout; a resumed training goes on from its own.
    void set_step(std::uint64_t step) { w_.step = step; }

    /// Weights are stored and packed anew before the next pass.
    void parameters_changed() { stale_ = true; }

    /// Computes the logits of all outputs. In training the statistics are the batch's, and dropout drops. Throws
    /// value_error where a tensor gets values that are not finite, with its name.
    void forward(std::span<const float> images, bool training) {
        const float_environment scope;
        require(static_cast<dim_t>(images.size()) == this->images().size(), "plan: takes images ", this->images(), ", ",
                this->images().size(), " values, got ", images.size());
        w_.training = training;
        if (stale_) {
            for (unit<T>& u : units_)
                if (auto* p = std::get_if<product_step<T>>(&u)) p->set_weights(w_);
            stale_ = false;
        }
        store_images(images);
        for (unit<T>& u : units_) std::visit([&](auto& step) { step.forward(w_); }, u);
        for (std::size_t o = 0; o < outputs_.size(); ++o)
            if (!outputs_[o].by_product) {
                const stored<T>& y = w_.tensors[outputs_[o].tensor];
                for (dim_t i = 0; i < y.size; ++i) logits_[o][i] = static_cast<float>(y.data[i]) * y.unit();
            }
    }
    std::span<const float> logits(std::size_t output = 0) const { return logits_[output].span(); }
    /// The gradient by the logits, from which backward() starts. loss() writes it; so may who has another loss.
    std::span<float> d_logits(std::size_t output = 0) { return d_logits_[output].span(); }

    /// What the last step left in memory: with plan_options::keep_tensors all of it, otherwise what no later tensor
    /// took the place of. The outputs of nodes and the gradients by them, as indices; no_tensor where a node's output
    /// is not stored since another node rides on it, or has no gradient.
    std::span<const stored<T>> tensors() const { return w_.tensors; }
    std::size_t output_tensor(std::string_view node) const { return tensor_of_[nn::find_node(net_, node)]; }
    std::size_t gradient_tensor(std::string_view node) const {
        const std::size_t t = output_tensor(node);
        return t == no_tensor ? no_tensor : gradient_of_[t];
    }

    /// The loss of the logits of the last forward pass, auxiliary ones by their weights, and their gradients.
    /// value_error for a label that is no class.
    batch_result loss(std::span<const std::int32_t> labels) {
        const float_environment scope;
        const auto watch = time_of(w_.times, "loss", pass_kind::loss);
        batch_result first;
        double total = 0;
        for (std::size_t o = 0; o < outputs_.size(); ++o) {
            const batch_result r =
                softmax_cross_entropy(logits_[o].span(), labels, net_.loss.label_smoothing, net_.outputs[o].weight,
                                      d_logits_[o].span(), net_.nodes[net_.outputs[o].node].name);
            if (o == 0) first = r;
            total += net_.outputs[o].weight * r.loss;
        }
        first.loss = total;
        return first;
    }

    /// The gradients of all trained parameters, behind forward(.., true) and loss(); all are kept.
    void backward() {
        w_.gradients.keep();
        backward_pass([](unit<T>&) {}, [](unit<T>&) {});
    }
    /// The same, but use(i, gradient) gets that by parameter i as soon as it is there, and none is kept: they share the
    /// memory of the largest. `use` may change the parameter. `use` gets zeros where the loss does not depend on it.
    template <class Use>
    void backward(const Use& use) {
        backward_pass([&](unit<T>& u) { w_.gradients.make_room(links_of(u).node, links_of(u).d_output == no_tensor); },
                      [&](unit<T>& u) { w_.gradients.hand_over(links_of(u).node, use); });
    }

    /// forward, loss and backward(use...).
    template <class... Use>
    batch_result gradients_of(std::span<const float> images, std::span<const std::int32_t> labels,
                              const Use&... use) requires(sizeof...(Use) <= 1) {
        forward(images, true);
        const batch_result result = loss(labels);
        require<value_error>(std::isfinite(result.loss), "the loss is ", result.loss,
                             "; lower the learning rate, or go back to the last checkpoint");
        backward(use...);
        return result;
    }

    /// The exponents that depend on the steps before: of a checkpoint. Empty for floats.
    std::vector<std::int32_t> exponents() {
        std::vector<std::int32_t> list;
        for_each_exponent([&](kept_exponent& e) { list.push_back(e.known ? e.exponent : unknown_exponent); });
        return list;
    }
    void set_exponents(std::span<const std::int32_t> list) {
        std::size_t i = 0;
        for_each_exponent([&](kept_exponent&) { ++i; });
        require(list.size() == i, "plan: a state of ", list.size(), " exponents, this network has ", i);
        i = 0;
        for_each_exponent([&](kept_exponent& e) {
            e = {list[i] == unknown_exponent ? 0 : list[i], list[i] != unknown_exponent};
            ++i;
        });
    }

private:
    static constexpr std::int32_t unknown_exponent = std::numeric_limits<std::int32_t>::min();

    struct output_place {
        std::size_t tensor = no_tensor;
        gradient_write d{};
        bool by_product = false; ///< the product writes the logits itself
    };

    /// The backward pass, with before(unit) and after(unit) around each.
    template <class Before, class After>
    void backward_pass(const Before& before, const After& after) {
        const float_environment scope;
        for (std::size_t o = 0; o < outputs_.size(); ++o) {
            const auto watch = time_of(w_.times, "loss", pass_kind::loss);
            const gradient_target<T> to = outputs_[o].d.in(w_);
            store_gradient(
                to, channel_walk(1), w_.options.operands, "the gradient of the loss", w_.exec,
                [&](dim_t first, dim_t count, dim_t, float* v) { std::copy_n(d_logits_[o].data() + first, count, v); });
        }
        for (auto u = units_.rbegin(); u != units_.rend(); ++u) {
            before(*u);
            if (links_of(*u).d_output != no_tensor) std::visit([&](auto& step) { step.backward(w_); }, *u);
            after(*u);
        }
    }

    template <class F>
    void for_each_exponent(const F& f) {
        if constexpr (!std::is_same_v<T, float>)
            for (unit<T>& u : units_)
                if (auto* step = std::get_if<product_step<T>>(&u))
                    if (auto* p = std::get_if<product_unit<T>>(&step->product)) {
                        f(p->output_exponent());
                        f(p->gradient_exponent());
                    }
    }

    std::size_t add_tensor(dim_t size) {
        w_.tensors.push_back({nullptr, size, 0});
        return w_.tensors.size() - 1;
    }

    // --- units ---------------------------------------------------------------------------------------------------
    void make_units() {
        tensor_of_.assign(net_.nodes.size(), no_tensor);
        tensor_of_[0] = add_tensor(shapes_[0].size());
        node_of_.assign(1, 0);
        rectified_.assign(1, 0);
        wide_gradient_.assign(1, 1);
        const auto readers = nn::readers(net_);
        int products = 0;
        for (const node_group& g : group_nodes(net_)) {
            if (std::holds_alternative<nn::op::flatten>(net_.nodes[g.head].op)) {
                tensor_of_[g.tail] = tensor_of_[net_.nodes[g.head].inputs[0]];
                continue;
            }
            unit_links links{.node = g.head, .name = net_.nodes[g.head].name};
            for (const std::size_t from : net_.nodes[g.head].inputs) links.inputs.push_back(tensor_of_[from]);
            if (g.sum) { // the other input of the add
                const auto& in = net_.nodes[*g.sum].inputs;
                links.inputs.push_back(tensor_of_[in[0] == g.head ? in[1] : in[0]]);
            }
            tensor_of_[g.tail] = links.output = add_tensor(shapes_[g.tail].size());
            const bool wide = wide_gradient_[links.inputs.front()] != 0;
            wide_gradient_.push_back(takes_wide_gradient(net_.nodes[g.head].op, links.inputs, wide_gradient_) ? 1 : 0);
            const product_options of_product = options_of_product(net_, options_, readers[g.tail], wide, products);
            rectified_.push_back(g.is_rectified(net_) ? 1 : 0);
            node_of_.push_back(g.tail);
            units_.push_back(make_unit<T>(net_, shapes_, g, std::move(links), options_, of_product));
            if (std::holds_alternative<product_step<T>>(units_.back())) ++products;
        }
        logits_.reserve(net_.outputs.size()); // units keep their addresses
        for (const nn::network_output& o : net_.outputs) {
            output_place place{.tensor = tensor_of_[o.node]};
            logits_.emplace_back(shapes_[o.node].size());
            d_logits_.emplace_back(shapes_[o.node].size());
            for (unit<T>& u : units_)
                if (auto* p = std::get_if<product_step<T>>(&u);
                    p && p->links.output == place.tensor && !p->rectify && !has_readers(place.tensor)) {
                    p->logits = &logits_.back();
                    place.by_product = true;
                }
            outputs_.push_back(place);
        }
    }

    bool has_readers(std::size_t tensor) {
        for (unit<T>& u : units_)
            for (const std::size_t in : links_of(u).inputs)
                if (in == tensor) return true;
        return false;
    }

    // --- gradients -----------------------------------------------------------------------------------------------
    /// Who writes which gradient, what is added and what masked: units in the order of the backward pass.
    void plan_gradients() {
        const std::size_t forward_tensors = w_.tensors.size();
        std::vector<std::size_t> gradient(forward_tensors, no_tensor); // so far, by tensor
        std::vector<int> left(forward_tensors, 0);                     // shares that are still to come
        for (unit<T>& u : units_)
            for (const std::size_t in : links_of(u).inputs) ++left[in];
        for (const output_place& o : outputs_) ++left[o.tensor];
        /// The next share of the gradient by a tensor, as a write.
        const auto share = [&](std::size_t of) {
            gradient_write to{add_tensor(w_.tensors[of].size), gradient[of], no_tensor};
            if (--left[of] == 0 && rectified_[of]) to.mask = of;
            gradient[of] = to.d;
            return to;
        };
        for (output_place& o : outputs_) o.d = share(o.tensor);
        for (auto u = units_.rbegin(); u != units_.rend(); ++u) {
            unit_links& links = links_of(*u);
            links.d_output = gradient[links.output];
            links.d_input.assign(links.inputs.size(), {});
            for (std::size_t i = 0; i < links.inputs.size(); ++i) {
                const std::size_t in = links.inputs[i];
                if (in == tensor_of_[0] || links.d_output == no_tensor) {
                    --left[in];
                    continue;
                }
                const bool last = left[in] == 1;
                if (hands_on(*u, i) && gradient[in] == no_tensor && !(last && rectified_[in])) {
                    gradient[in] = links.d_output; // the same tensor
                    --left[in];
                } else {
                    links.d_input[i] = share(in);
                }
            }
        }
        gradient_of_ = gradient;
    }

    /// Whether the gradient by input i is that by the output.
    static bool hands_on(unit<T>& u, std::size_t i) {
        return std::holds_alternative<sum_step<T>>(u) || (std::holds_alternative<norm_step<T>>(u) && i == 1);
    }

    // --- memory --------------------------------------------------------------------------------------------------
    void plan_memory() {
        std::vector<std::size_t> blocks;
        for (const stored<T>& t : w_.tensors) blocks.push_back(arena_.add(t.size * dim_t{sizeof(T)}));
        std::vector<std::size_t> numbers(units_.size(), no_tensor);
        const auto last = static_cast<dim_t>(2 * units_.size() + 2);
        const auto touch = [&](std::size_t tensor, dim_t moment) {
            if (tensor != no_tensor) arena_.touch(blocks[tensor], moment);
        };
        const auto touch_write = [&](const gradient_write& g, dim_t moment) {
            touch(g.d, moment), touch(g.addend, moment), touch(g.mask, moment);
        };
        touch(tensor_of_[0], 0);
        const auto middle = static_cast<dim_t>(units_.size() + 1); // the loss
        for (std::size_t i = 0; i < units_.size(); ++i) {
            const auto forward = static_cast<dim_t>(i + 1), backward = last - forward;
            unit_links& links = links_of(units_[i]);
            for (const std::size_t in : links.inputs) touch(in, forward);
            touch(links.output, forward);
            if (auto* p = std::get_if<pool_step<T>>(&units_[i]); p && p->is_maximum) {
                numbers[i] = arena_.add(w_.tensors[links.output].size);
                arena_.touch(numbers[i], forward);
                arena_.touch(numbers[i], backward);
            }
            if (links.d_output == no_tensor) continue;
            touch(links.d_output, backward);
            for (const gradient_write& g : links.d_input) touch_write(g, backward);
            if (std::holds_alternative<product_step<T>>(units_[i]) || std::holds_alternative<norm_step<T>>(units_[i]) ||
                std::holds_alternative<response_step<T>>(units_[i]))
                touch(links.inputs[0], backward);
        }
        for (const output_place& o : outputs_) {
            touch(o.tensor, middle);
            touch_write(o.d, middle);
        }
        arena_.settle(!options_.keep_tensors);
        for (std::size_t t = 0; t < w_.tensors.size(); ++t)
            w_.tensors[t].data = reinterpret_cast<T*>(arena_.data(blocks[t]));
        for (std::size_t i = 0; i < units_.size(); ++i)
            if (numbers[i] != no_tensor)
                std::get<pool_step<T>>(units_[i]).largest = reinterpret_cast<std::uint8_t*>(arena_.data(numbers[i]));
    }

    void store_images(std::span<const float> images) {
        const auto watch =
            time_of(w_.times, "images", pass_kind::elementwise, 0, static_cast<dim_t>(images.size_bytes()));
        store_pass(w_.tensors[tensor_of_[0]], channel_walk(1), w_.options.operands, "the images", w_.exec,
                   [&](dim_t first, dim_t count, dim_t, float* v) { std::copy_n(images.data() + first, count, v); });
    }

    nn::network net_;
    std::vector<extents> shapes_; ///< of each node
    plan_options options_;
    workspace<T> w_;
    std::vector<unit<T>> units_;
    std::vector<std::size_t> tensor_of_;   ///< of each node that ends a unit
    std::vector<char> rectified_;          ///< of each tensor of the forward pass
    std::vector<char> wide_gradient_;      ///< of the same: whether nobody multiplies the gradient by it
    std::vector<std::size_t> node_of_;     ///< whose output each tensor of the forward pass is
    std::vector<std::size_t> gradient_of_; ///< the whole gradient by each tensor of the forward pass
    std::vector<output_place> outputs_;
    std::vector<buffer<float>> logits_, d_logits_;
    arena arena_;
    bool stale_ = true;
};

} // namespace intaglio::inline INTAGLIO_ABI::train
