// SPDX-License-Identifier: Apache-2.0
#pragma once

// A step of a plan against the scalar meaning, unit by unit: what each unit wrote is compared with what nn/reference/
// makes of the numbers that the unit read. So no error of one unit hides in the next one's, and bounds are those of one
// pass: half a unit of the exponent for each time that a number is stored, and for what is computed in float a few
// roundings of the magnitudes that are summed up.
//
// Products are sums of integers, or fused multiply-adds in a stated order: they are equal, bit for bit.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "intaglio/nn/reference/network.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/train/plan.hpp"
#include "support/catch.hpp"

namespace intaglio::train {

template <class T>
class plan_check {
public:
    /// A plan whose tensors are kept (plan_options), and the options that it was made with.
    plan_check(plan<T>& p, const plan_options& options, std::uint64_t step = 0)
        : plan_(p), net_(p.network()), shapes_(nn::infer_shapes(net_, p.images())),
          options_(options), mode_{.training = true, .seed = options.seed, .step = step}, weights_(p.parameters()),
          statistics_(net_.nodes.size()), expected_d_(net_.nodes.size()), error_d_(net_.nodes.size()),
          readers_(net_.nodes.size(), 0) {
        for (const node_group& g : group_nodes(net_)) groups_.push_back(g);
    }

    /// Behind forward(images, true), with the parameters that it took.
    void forward(std::span<const float> images) {
        stores("the images", plan_.output_tensor("input"), {images.begin(), images.end()}, {},
               options_.storage.operands);
        for (const node_group& g : groups_) {
            const std::string& name = net_.nodes[g.tail].name;
            INFO("forward: " << name);
            if (is<nn::op::flatten>(g.head)) continue;
            tensor<float> out(shapes_[g.head], uninitialized), magnitudes = out;
            const bool product = run_forward(g, out, magnitudes);
            if (g.sum) {
                const auto& in = net_.nodes[*g.sum].inputs;
                const auto other = values(in[0] == g.head ? in[1] : in[0]);
                for (dim_t i = 0; i < out.size(); ++i) out[i] += other[at(i)], magnitudes[i] += std::abs(other[at(i)]);
            }
            if (is<nn::op::relu>(g.tail) && g.tail != g.head)
                for (float& v : out) v = v > 0 ? v : 0.0F;
            const bool logits =
                std::any_of(net_.outputs.begin(), net_.outputs.end(), [&](const auto& o) { return o.node == g.tail; });
            if (product && logits) { // they stay floats
                std::size_t o = 0;
                while (net_.outputs[o].node != g.tail) ++o;
                for (dim_t i = 0; i < out.size(); ++i) REQUIRE(plan_.logits(o)[at(i)] == out[i]);
            } else if (product) {
                const auto readers = nn::readers(net_)[g.tail];
                const bool to_norms = std::all_of(readers.begin(), readers.end(),
                                                  [&](std::size_t r) { return is<nn::op::batch_norm>(r); });
                equals(g.tail, plan_.tensors()[plan_.output_tensor(name)], out, to_norms, !to_norms);
            } else {
                stores(name, plan_.output_tensor(name), vector_of(out), vector_of(magnitudes),
                       is<nn::op::max_pool>(g.head) ? std::optional<dfp_spec>() : options_.storage.operands);
            }
        }
    }

    /// Behind backward().
    void backward() {
        for (const node_group& g : groups_)
            for (const std::size_t in : inputs_of(g)) ++readers_[source(in)];
        for (std::size_t o = 0; o < net_.outputs.size(); ++o) {
            ++readers_[source(net_.outputs[o].node)];
            const std::span<const float> d = plan_.d_logits(o);
            add(net_.outputs[o].node, {d.begin(), d.end()}, std::vector<float>(d.size()));
        }
        for (auto g = groups_.rbegin(); g != groups_.rend(); ++g) {
            if (is<nn::op::flatten>(g->head)) continue;
            const std::string& name = net_.nodes[g->tail].name;
            INFO("gradient by " << name);
            if (plan_.gradient_tensor(name) == no_tensor) continue;
            check_gradient(g->tail);
            run_backward(*g);
        }
    }

private:
    using policy = product_policy<T>;
    static constexpr double rounding = 0x1p-24;

    static std::size_t at(dim_t i) { return static_cast<std::size_t>(i); }
    static std::vector<float> vector_of(const tensor<float>& t) { return {t.begin(), t.end()}; }
    template <class Op>
    bool is(std::size_t node) const {
        return std::holds_alternative<Op>(net_.nodes[node].op);
    }
    /// Nodes whose memory is that of another: flattened images.
    std::size_t source(std::size_t node) const {
        while (is<nn::op::flatten>(node)) node = net_.nodes[node].inputs[0];
        return node;
    }
    std::vector<std::size_t> inputs_of(const node_group& g) const {
        if (is<nn::op::flatten>(g.head)) return {};
        std::vector<std::size_t> in = net_.nodes[g.head].inputs;
        if (g.sum) {
            const auto& both = net_.nodes[*g.sum].inputs;
            in.push_back(both[0] == g.head ? both[1] : both[0]);
        }
        return in;
    }
    bool in_float(std::size_t node) const {
        const auto& list = options_.in_float;
        return std::find(list.begin(), list.end(), net_.nodes[node].name) != list.end();
    }

    static std::vector<float> reals(const stored<T>& t) {
        std::vector<float> out(at(t.size));
        for (dim_t i = 0; i < t.size; ++i) out[at(i)] = static_cast<float>(t.data[i]) * t.unit();
        return out;
    }
    std::vector<float> values(std::size_t node) const {
        return reals(plan_.tensors()[plan_.output_tensor(net_.nodes[node].name)]);
    }
    tensor<float> tensor_of(std::size_t node, const std::vector<float>& v) const {
        tensor<float> t(shapes_[node], uninitialized);
        std::copy(v.begin(), v.end(), t.begin());
        return t;
    }

    /// That tensor t holds `expected` but for its storage and a few roundings of `magnitudes`. With a spec the exponent
    /// is that of the largest magnitude (one that is rounded may lie on either side of a power of two).
    void stores(const std::string& name, std::size_t t, const std::vector<float>& expected,
                const std::vector<float>& magnitudes, std::optional<dfp_spec> spec) const {
        const stored<T>& got = plan_.tensors()[t];
        REQUIRE(got.size == std::ssize(expected));
        float most = 0, sum = 0;
        for (const float v : expected) most = std::max(most, std::abs(v));
        for (const float v : magnitudes) sum = std::max(sum, std::abs(v));
        if constexpr (!std::is_same_v<T, float>)
            if (spec) {
                const auto slack =
                    static_cast<float>(1 + 64 * rounding * (1 + static_cast<double>(sum / (most + 1e-30F))));
                INFO(name);
                REQUIRE(got.exponent >= stored_exponent(most / slack, *spec));
                REQUIRE(got.exponent <= stored_exponent(most * slack, *spec));
            }
        close(reals(got), expected, magnitudes, std::is_same_v<T, float> ? 0.0 : 0.5 * static_cast<double>(got.unit()));
    }
    static void close(const std::vector<float>& got, const std::vector<float>& expected,
                      const std::vector<float>& magnitudes, double storage) {
        for (std::size_t i = 0; i < got.size(); ++i) {
            const auto g = static_cast<double>(got[i]), e = static_cast<double>(expected[i]);
            const double sum = std::abs(e) + (magnitudes.empty() ? 0.0 : std::abs(static_cast<double>(magnitudes[i])));
            if (!(std::abs(g - e) <= storage + 16 * rounding * sum)) {
                CAPTURE(i, g, e, storage, sum);
                REQUIRE(std::abs(g - e) <= storage + 16 * rounding * sum);
            }
        }
        REQUIRE(got.size() == expected.size());
    }

    /// That a product stored `v`, rounded to nearest even with an exponent that loses no bit more than it may: `wide`,
    /// with all bits, or `narrow`, with the head-room of what products read. A gradient from a product in FP32 may have
    /// dither.
    void equals(std::size_t node, const stored<T>& got, const tensor<float>& v, bool wide, bool narrow,
                bool is_gradient = false) const {
        REQUIRE(got.size == v.size());
        float most = 0;
        for (const float x : v) most = std::max(most, std::abs(x));
        if constexpr (std::is_same_v<T, float>) {
            for (dim_t i = 0; i < v.size(); ++i) REQUIRE(got.data[i] == v[i]);
        } else {
            const bool widened = in_float(node);
            const storage_options& s = options_.storage;
            const bool dithers = is_gradient && widened && s.dither_gradients;
            REQUIRE(got.exponent >= stored_exponent(most, widened || !wide ? s.operands : s.products));
            REQUIRE(got.exponent <= stored_exponent(most, widened || narrow ? s.operands : s.products) +
                                        (widened ? 0 : kept_exponent::slack));
            for (dim_t i = 0; i < v.size(); ++i) {
                const double scaled = std::ldexp(static_cast<double>(v[i]), -got.exponent);
                const double expected = std::clamp(std::nearbyint(scaled), -32767.0, 32767.0);
                const auto stored = static_cast<double>(got.data[i]);
                if (dithers ? std::abs(stored - scaled) >= 1 : stored != expected) {
                    CAPTURE(i, v[i], dithers);
                    REQUIRE(stored == expected);
                }
            }
        }
    }

    // --- products --------------------------------------------------------------------------------------------------
    conv_geometry geometry(std::size_t node) const {
        const extents& in = shapes_[net_.nodes[node].inputs[0]];
        if (const auto* c = std::get_if<nn::op::convolution>(&net_.nodes[node].op)) return nn::geometry_of(*c, in);
        return nn::geometry_of(std::get<nn::op::linear>(net_.nodes[node].op), in);
    }
    bool is_product(std::size_t node) const { return is<nn::op::convolution>(node) || is<nn::op::linear>(node); }

    /// run(policy, x or d_y, filters, unit of the filters) with operands as they are stored.
    template <class Run>
    void with_operands(std::size_t node, const stored<T>& operand, const Run& run) const {
        const conv_geometry g = geometry(node);
        const std::span<const float> master(weights_.find(node, nn::parameter_role::weight),
                                            at(g.out_channels * g.filter_size()));
        if constexpr (std::is_same_v<T, float>) {
            run(fp32{}, operand.elements(), 1.0, master, 1.0);
        } else if (in_float(node)) {
            const std::vector<float> x = reals(operand);
            run(fp32{}, std::span<const float>(x), 1.0, master, 1.0);
        } else {
            const std::int32_t largest = largest_mantissa(options_.storage.operands);
            for (const std::int16_t v : operand.elements()) REQUIRE(std::abs(std::int32_t{v}) <= largest);
            dfp_tensor<fixed<16>> q;
            const product_options of_product{.weights = options_.storage.weights, .form = {.largest = largest}};
            quantize_dfp(master, extents{std::ssize(master)}, q, of_product.weights_of(g), "weights");
            run(dfp16_training{}, operand.elements(), static_cast<double>(operand.unit()), q.span(), q.scale());
        }
    }

    bool run_forward(const node_group& g, tensor<float>& out, tensor<float>& magnitudes) {
        const std::size_t node = g.head;
        std::vector<tensor<float>> in;
        for (const std::size_t from : net_.nodes[node].inputs) in.push_back(tensor_of(from, values(from)));
        if (is_product(node)) {
            const conv_geometry geometry = this->geometry(node);
            const matrix_view<float> to(out.data(), geometry.out_pixels(), geometry.out_channels);
            const stored<T>& x = plan_.tensors()[plan_.output_tensor(net_.nodes[net_.nodes[node].inputs[0]].name)];
            with_operands(node, x, [&](auto p, auto elements, double unit, auto filters, double filter_unit) {
                using P = decltype(p);
                rhs_view<P> f;
                f.values = filter_matrix(geometry, filters);
                f.scale = filter_unit;
                reference_conv_forward<P>(geometry, elements, unit, f, to);
            });
            if (const float* const bias = weights_.find(node, nn::parameter_role::bias))
                for (dim_t i = 0; i < out.size(); ++i) out[i] += bias[i % geometry.out_channels];
            return true;
        }
        std::vector<const tensor<float>*> pointers;
        for (const auto& t : in) pointers.push_back(&t);
        std::visit(nn::reference::detail::node_forward{mode_, weights_, node, pointers, out, statistics_[node]},
                   net_.nodes[node].op);
        // what is summed up on the way to an element
        for (dim_t i = 0; i < out.size(); ++i) magnitudes[i] = std::abs(out[i]);
        if (const auto* n = std::get_if<nn::op::batch_norm>(&net_.nodes[node].op)) {
            const float *const gamma = weights_.find(node, nn::parameter_role::weight), *const beta = weights_.find(
                                                                                            node,
                                                                                            nn::parameter_role::bias);
            for (dim_t i = 0; i < out.size(); ++i) {
                const auto c = at(i % n->channels);
                const double scale =
                    std::abs(static_cast<double>(gamma[c])) / std::sqrt(statistics_[node].variance[c] + n->epsilon);
                magnitudes[i] = static_cast<float>(scale * (std::abs(static_cast<double>(in[0][i])) +
                                                            std::abs(statistics_[node].mean[c]))) +
                                std::abs(beta[c]);
            }
        } else if (is<nn::op::add>(node)) {
            for (dim_t i = 0; i < out.size(); ++i) magnitudes[i] = std::abs(in[0][i]) + std::abs(in[1][i]);
        } else if (is_average(node)) {
            float most = 0;
            for (const float v : in[0]) most = std::max(most, std::abs(v));
            std::fill(magnitudes.begin(), magnitudes.end(), most);
        }
        return false;
    }
    bool is_average(std::size_t node) const {
        return is<nn::op::average_pool>(node) || is<nn::op::adaptive_average_pool>(node);
    }

    // --- gradients -------------------------------------------------------------------------------------------------
    /// A share of the gradient by a node's output.
    void add(std::size_t node, const std::vector<float>& d, const std::vector<float>& magnitudes) {
        node = source(node);
        auto &sum = expected_d_[node], &error = error_d_[node];
        sum.resize(d.size()), error.resize(d.size());
        for (std::size_t i = 0; i < d.size(); ++i) sum[i] += d[i], error[i] += std::abs(d[i]) + magnitudes[i];
    }
    /// Of a stored gradient, in units.
    double rounding_error() const { return options_.storage.dither_gradients ? 1 : 0.5; }
    void check_gradient(std::size_t node) const {
        std::vector<float> sum = expected_d_[node], magnitudes = error_d_[node];
        const std::string& name = net_.nodes[node].name;
        const stored<T>& d = plan_.tensors()[plan_.gradient_tensor(name)];
        if (is<nn::op::relu>(node)) {
            const auto out = values(node);
            for (std::size_t i = 0; i < sum.size(); ++i)
                if (!(out[i] > 0)) sum[i] = magnitudes[i] = 0;
        }
        // each share may be stored with a unit twice as large as that of the whole, unless it was alone
        float most = 0;
        for (const float m : error_d_[node]) most = std::max(most, m);
        const int times = readers_[node];
        double storage = 0;
        if constexpr (!std::is_same_v<T, float>)
            storage = rounding_error() *
                      (static_cast<double>(d.unit()) * (1 + (times > 1 ? 1e-3 : 0)) +
                       2 * (times - 1) * std::ldexp(1.0, stored_exponent(most, options_.storage.operands)));
        close(reals(d), sum, magnitudes, storage);
    }

    void run_backward(const node_group& g) {
        const std::size_t node = g.head;
        const stored<T>& d = plan_.tensors()[plan_.gradient_tensor(net_.nodes[g.tail].name)];
        const std::vector<float> d_out = reals(d);
        if (g.sum) {
            const auto& in = net_.nodes[*g.sum].inputs;
            add(in[0] == g.head ? in[1] : in[0], d_out, std::vector<float>(d_out.size()));
        }
        nn::reference::gradients result;
        for (const nn::parameter_spec& spec : weights_.specs())
            result.parameters.push_back(spec.trained && spec.node == node ? tensor<float>(spec.shape)
                                                                          : tensor<float>());
        std::vector<tensor<float>> in, d_in;
        std::vector<const tensor<float>*> pointers;
        for (const std::size_t from : net_.nodes[node].inputs) {
            in.push_back(tensor_of(from, values(from)));
            d_in.push_back(source(from) == 0 ? tensor<float>() : tensor<float>(shapes_[from], uninitialized));
        }
        for (const auto& t : in) pointers.push_back(&t);
        const tensor<float> out = is_product(node) || g.head != g.tail ? tensor<float>(shapes_[node])
                                                                       : tensor_of(node, values(node)),
                            d_tensor = tensor_of(node, d_out);
        if (is_product(node))
            product_backward(node, d, d_in[0], result);
        else if (is<nn::op::relu>(node)) // what wrote d has masked it
            std::copy(d_out.begin(), d_out.end(), d_in[0].begin());
        else
            std::visit(nn::reference::detail::node_backward{mode_, weights_, node, pointers, out, statistics_[node],
                                                            d_tensor, d_in, result},
                       net_.nodes[node].op);
        for (std::size_t i = 0; i < d_in.size(); ++i) {
            if (d_in[i].empty()) continue;
            add(net_.nodes[node].inputs[i], vector_of(d_in[i]), magnitudes_of(node, in[0], d_in[i], d_tensor));
        }
        for (std::size_t p = 0; p < weights_.count(); ++p)
            if (!result.parameters[p].empty() && weights_.spec(p).node == node) {
                INFO(weights_.spec(p).name);
                const tensor<float>& got = plan_.gradients()[p];
                if (is_product(node) && weights_.spec(p).role == nn::parameter_role::weight) {
                    for (dim_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == result.parameters[p][i]);
                    continue;
                }
                // a sum over pixels, of which each term is rounded
                const auto channels = got.size();
                std::vector<float> sums(at(channels));
                for (dim_t i = 0; i < d_tensor.size(); ++i) {
                    const dim_t c = i % channels;
                    float x = 1;
                    if (const auto* n = std::get_if<nn::op::batch_norm>(&net_.nodes[node].op))
                        x = static_cast<float>(
                                (std::abs(static_cast<double>(in[0][i])) + std::abs(statistics_[node].mean[at(c)])) /
                                std::sqrt(statistics_[node].variance[at(c)] + n->epsilon)) +
                            1;
                    sums[at(c)] += std::abs(d_tensor[i]) * x;
                }
                close({got.begin(), got.end()}, vector_of(result.parameters[p]), sums, 0);
            }
    }

    void product_backward(std::size_t node, const stored<T>& d, tensor<float>& d_in, nn::reference::gradients& result) {
        const conv_geometry g = geometry(node);
        const stored<T>& x = plan_.tensors()[plan_.output_tensor(net_.nodes[net_.nodes[node].inputs[0]].name)];
        const auto d_parameter = [&](nn::parameter_role role) {
            return result.parameters[weights_.place(node, role)].data();
        };
        with_operands(node, d, [&](auto p, auto d_elements, double d_unit, auto filters, double filter_unit) {
            using P = decltype(p);
            if (!d_in.empty())
                reference_conv_input_gradient<P>(g, d_elements, d_unit, filters, filter_unit,
                                                 matrix_view<float>(d_in.data(), g.in_pixels(), g.in_channels));
            with_operands(node, x, [&](auto q, auto x_elements, double x_unit, auto, double) {
                if constexpr (std::is_same_v<decltype(q), P>)
                    reference_conv_weight_gradient<P>(
                        g, x_elements, x_unit, d_elements, d_unit,
                        matrix_view<float>(d_parameter(nn::parameter_role::weight), g.out_channels, g.filter_size()));
            });
        });
        if (weights_.find(node, nn::parameter_role::bias)) {
            std::vector<double> sums(at(g.out_channels));
            const std::vector<float> v = reals(d);
            for (dim_t i = 0; i < d.size; ++i) sums[at(i % g.out_channels)] += static_cast<double>(v[at(i)]);
            std::copy(sums.begin(), sums.end(), d_parameter(nn::parameter_role::bias));
        }
        // alone, it is equal
        const std::size_t from = source(net_.nodes[node].inputs[0]);
        if (d_in.empty() || readers_[from] != 1) return;
        tensor<float> masked = d_in;
        if (is<nn::op::relu>(from)) {
            const auto out = values(from);
            for (dim_t i = 0; i < masked.size(); ++i)
                if (!(out[at(i)] > 0)) masked[i] = 0;
        }
        equals(node, plan_.tensors()[plan_.gradient_tensor(net_.nodes[from].name)], masked, true, true,
               true); // who reads it is not this node's to know
    }

    /// What is summed up on the way to an element of a gradient.
    std::vector<float> magnitudes_of(std::size_t node, const tensor<float>& in, const tensor<float>& d_in,
                                     const tensor<float>& d) const {
        std::vector<float> m(at(d_in.size()));
        float most = 0, largest_in = 0;
        for (const float v : d) most = std::max(most, std::abs(v));
        for (const float v : in) largest_in = std::max(largest_in, std::abs(v));
        if (const auto* n = std::get_if<nn::op::batch_norm>(&net_.nodes[node].op)) {
            const float* const gamma = weights_.find(node, nn::parameter_role::weight);
            const auto pixels = static_cast<double>(d.size() / n->channels);
            std::vector<double> sum(at(n->channels)), product = sum;
            const auto x = [&](dim_t i) {
                const auto c = at(i % n->channels);
                return (std::abs(static_cast<double>(in[i])) + std::abs(statistics_[node].mean[c])) /
                       std::sqrt(statistics_[node].variance[c] + n->epsilon);
            };
            for (dim_t i = 0; i < d.size(); ++i) {
                const auto c = at(i % n->channels);
                sum[c] += std::abs(static_cast<double>(d[i])) / pixels;
                product[c] += std::abs(static_cast<double>(d[i])) * x(i) / pixels;
            }
            for (dim_t i = 0; i < d.size(); ++i) {
                const auto c = at(i % n->channels);
                m[at(i)] = static_cast<float>(std::abs(static_cast<double>(gamma[c])) /
                                              std::sqrt(statistics_[node].variance[c] + n->epsilon) *
                                              (std::abs(static_cast<double>(d[i])) + sum[c] + x(i) * product[c]));
            }
        } else if (const auto* r = std::get_if<nn::op::local_response_norm>(&net_.nodes[node].op)) {
            const double s = std::pow(r->k, -r->beta);
            std::fill(m.begin(), m.end(),
                      static_cast<float>(
                          static_cast<double>(most) *
                          (s + 2 * r->alpha * r->beta * static_cast<double>(largest_in * largest_in) * s / r->k)));
        } else if (!is_product(node)) {
            std::fill(m.begin(), m.end(), is<nn::op::max_pool>(node) || is_average(node) ? 4 * most : most);
        }
        return m;
    }

    plan<T>& plan_;
    nn::network net_;
    std::vector<extents> shapes_;
    plan_options options_;
    nn::reference::network_mode mode_;
    nn::parameters weights_; ///< a copy: running statistics move
    std::vector<nn::reference::norm_statistics> statistics_;
    std::vector<std::vector<float>> expected_d_, error_d_; ///< by node
    std::vector<int> readers_;                             ///< shares of a gradient
    std::vector<node_group> groups_;
};

} // namespace intaglio::train
