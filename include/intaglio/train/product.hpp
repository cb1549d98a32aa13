// SPDX-License-Identifier: Apache-2.0
#pragma once

// The products of a training step: a convolution, or a linear layer as one of a 1 x 1 map, in all three passes, on
// stored tensors. The policy follows from the storage: fp32 for floats, dfp16_training for int16.
//
// What a product writes as int16 must have an exponent before the product runs, and to run it again is dear. So the
// exponent stays from step to step while it fits: no overflow, and at most `slack` bits lost. Where it doesn't, the
// product is repeated with one that leaves some room. The exponents are part of a training's state (plan.hpp saves
// them), and the results have the same bits for every number of threads.

#include <optional>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/train/gradient.hpp"
#include "intaglio/train/pass_choice.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

template <class T>
using product_policy = std::conditional_t<std::is_same_v<T, float>, fp32, dfp16_training>;

/// The exponent of a tensor that a product writes, kept from step to step.
struct kept_exponent {
    static constexpr int slack = 1; ///< bits that may be lost
    int exponent = 0;
    bool known = false; ///< false before the first step
};

/// An output of dense rows for a product: floats, or int16 with the exponent of `to`.
inline matrix_view<float> product_output(const stored<float>& to, dim_t rows, dim_t cols) {
    return matrix_view<float>(to.data, rows, cols);
}
inline quantized_view<std::int16_t> product_output(const stored<std::int16_t>& to, dim_t rows, dim_t cols) {
    return {matrix_view<std::int16_t>(to.data, rows, cols), float_power_of_two(-to.exponent)};
}

/// Runs run(largest, losses, check), a product that writes `to` with to.exponent, raises *largest and counts where
/// somebody watches, until the exponent fits.
template <class T, class Run>
void store_product(stored<T>& to, kept_exponent& kept, dfp_spec spec, std::string_view name, const Run& run) {
    if constexpr (std::is_same_v<T, float>) {
        run(nullptr, nullptr, nullptr);
        report_stored(to);
    } else {
        to.exponent = kept.exponent;
        for (;;) {
            float largest = 0;
            std::optional<loss_counter> losses;
            std::optional<audit> check;
            if (to.report) {
                losses.emplace(to.exponent, 16);
                check.emplace(to.report->audited);
            }
            run(&largest, losses ? &*losses : nullptr, check ? &*check : nullptr);
            require<value_error>(is_finite(largest), name,
                                 " has a value that is NaN or infinite; only finite values "
                                 "can be stored as integers: lower the learning rate");
            const int exact = stored_exponent(largest, spec);
            if (kept.known && exact <= to.exponent && (to.exponent <= exact + kept_exponent::slack || largest == 0)) {
                if (to.report) {
                    report_stored(to, losses->counts());
                    to.report->add_product(*check);
                }
                break;
            }
            // room to grow by a quarter at least
            to.exponent = std::min(stored_exponent(std::min(1.25F * largest, 0x1p127F), spec), 126);
            kept.known = true;
        }
        kept.exponent = to.exponent;
    }
}

/// How a product stores what it writes and its weights, and how its passes are computed.
struct product_options {
    dfp_spec weights{}, outputs{}, gradients{};
    conv_form form{};
    int place = 0; ///< among the products of its network

    /// The weights of a kernel that Winograd's products can serve keep 12 magnitude bits, whether they do or not:
    /// results don't depend on the algorithm.
    dfp_spec weights_of(const conv_geometry& g) const {
        dfp_spec spec = weights;
        if (intaglio::detail::is_winograd_shape(g) && form.largest <= intaglio::detail::winograd_largest)
            spec.head_room = std::max(spec.head_room, spec.bits - 13);
        return spec;
    }
};

template <class T>
class product_unit {
    using policy = product_policy<T>;

public:
    product_unit(const conv_geometry& g, const product_options& options) : g_(g), options_(options) {
        g_.check();
        options_.weights = options.weights_of(g);
        if constexpr (!std::is_same_v<T, float>) {
            gradient_choice_ = weight_choice_ = pass_choice(g, options.form);
            forward_choice_ = pass_choice(g, options.form, options.place); // whose filters wait in memory
        }
    }

    const conv_geometry& geometry() const { return g_; }
    dim_t weights() const { return g_.out_channels * g_.filter_size(); }
    kept_exponent& output_exponent() { return kept_y_; }
    kept_exponent& gradient_exponent() { return kept_d_x_; }

    /// Takes the master weights (out_channels, kernel_h, kernel_w, in_channels / groups): stores them in `memory`,
    /// which grows where needed, and packs them from there for forward passes.
    void set_weights(const float* master, std::string_view name, executor_ref exec, buffer<T>& memory,
                     tensor_report* report = nullptr) {
        const stored<T> w = store_weights(master, name, exec, memory, report);
        rhs_view<policy> filters;
        filters.values = filter_matrix(g_, w.elements());
        filters.scale = static_cast<double>(w.unit());
        const conv_form form = forward_choice_.next();
        const auto watch = forward_choice_.time_packing();
        forward_ = pack_filter<policy>(g_, filters, rhs_storage::fast, exec, std::move(forward_), form);
    }
    /// The same weights for the next input gradient, behind which they are gone: one layer's wait at a time.
    void set_gradient_weights(const float* master, std::string_view name, executor_ref exec, buffer<T>& memory) {
        const stored<T> w = store_weights(master, name, exec, memory, nullptr);
        const conv_form form = gradient_choice_.next();
        const auto watch = gradient_choice_.time_packing();
        gradient_ = pack_gradient_filter<policy>(g_, w.elements(), static_cast<double>(w.unit()), exec, {}, form);
    }

    /// y = x * weights (+ bias), rectified.
    void forward(const stored<T>& x, stored<T>& y, const float* bias, bool rectify, std::string_view name,
                 executor_ref exec) {
        store_product(y, kept_y_, options_.outputs, name, [&](float* largest, loss_counter* losses, audit* check) {
            unit_stage<T> stage{.per_column = bias, .rectify = rectify, .losses = losses};
            stage.largest.result = largest;
            const auto watch = forward_choice_.time_pass();
            conv_forward<policy>(g_, x.elements(), static_cast<double>(x.unit()), forward_,
                                 product_output(y, g_.out_pixels(), g_.out_channels), epilogue{stage}, exec, check);
        });
    }
    /// The same as floats, for logits.
    void forward(const stored<T>& x, float* y, const float* bias, executor_ref exec, tensor_report* report) const {
        std::optional<audit> check;
        if (report && !std::is_same_v<T, float>) check.emplace(report->audited);
        conv_forward<policy>(g_, x.elements(), static_cast<double>(x.unit()), forward_,
                             matrix_view<float>(y, g_.out_pixels(), g_.out_channels),
                             epilogue{unit_stage<T>{.per_column = bias}}, exec, check ? &*check : nullptr);
        if (report) report->elements = g_.out_pixels() * g_.out_channels;
        if (check) report->add_product(*check);
    }

    void input_gradient(const stored<T>& d_y, const gradient_target<T>& to, std::string_view name, executor_ref exec) {
        store_product(*to.d, kept_d_x_, options_.gradients, name,
                      [&](float* largest, loss_counter* losses, audit* check) {
                          unit_stage<T> stage{.gradient = to, .row_stride = g_.in_channels, .losses = losses};
                          stage.largest.result = largest;
                          const auto watch = gradient_choice_.time_pass();
                          conv_input_gradient<policy>(g_, d_y.elements(), static_cast<double>(d_y.unit()), gradient_,
                                                      product_output(*to.d, g_.in_pixels(), g_.in_channels),
                                                      epilogue{stage}, exec, check);
                      });
        gradient_ = {};
    }

    void weight_gradient(const stored<T>& x, const stored<T>& d_y, float* d_w, executor_ref exec,
                         tensor_report* report = nullptr) {
        std::optional<audit> check;
        if (report && !std::is_same_v<T, float>) check.emplace(report->audited);
        {
            const conv_form form = weight_choice_.next();
            const auto watch = weight_choice_.time_pass();
            conv_weight_gradient<policy>(
                g_, x.elements(), static_cast<double>(x.unit()), d_y.elements(), static_cast<double>(d_y.unit()),
                matrix_view<float>(d_w, g_.out_channels, g_.filter_size()), exec, check ? &*check : nullptr, form);
        }
        if (report) report->elements = weights();
        if (check) report->add_product(*check);
    }

private:
    stored<T> store_weights(const float* master, std::string_view name, executor_ref exec, buffer<T>& memory,
                            tensor_report* report) {
        stored<T> w{nullptr, weights(), exponent_, report};
        if constexpr (std::is_same_v<T, float>) {
            w.data = const_cast<float*>(master);
            report_stored(w);
        } else {
            if (memory.size() < weights()) memory = buffer<T>(weights(), uninitialized);
            w.data = memory.data();
            store_pass(w, channel_walk(1), options_.weights, name, exec,
                       [&](dim_t first, dim_t count, dim_t, float* v) { std::copy_n(master + first, count, v); });
            exponent_ = w.exponent;
        }
        return w;
    }

    conv_geometry g_;
    product_options options_;
    pass_choice forward_choice_, gradient_choice_, weight_choice_;
    kept_exponent kept_y_, kept_d_x_;
    int exponent_ = 0; ///< of the weights, as they were stored last
    packed_filter<policy> forward_;
    packed_gradient_filter<policy> gradient_;
};

/// A product in FP32 between tensors of another storage: operands are widened, the result is stored. For layers that
/// are kept in FP32, such as the first and the last in the paper's recipe (arXiv 1802.00930).
template <class T>
class widened_product {
public:
    widened_product(const conv_geometry& g, dfp_spec operands)
        : product_(g, {}), spec_(operands), x_(g.in_pixels() * g.in_channels), y_(g.out_pixels() * g.out_channels) {}

    const conv_geometry& geometry() const { return product_.geometry(); }
    void set_weights(const float* master, std::string_view name, executor_ref exec, buffer<T>&, tensor_report* report) {
        buffer<float> none;
        product_.set_weights(master, name, exec, none, report);
    }
    void set_gradient_weights(const float* master, std::string_view name, executor_ref exec, buffer<T>&) {
        buffer<float> none;
        product_.set_gradient_weights(master, name, exec, none);
    }
    void forward(const stored<T>& x, stored<T>& y, const float* bias, bool rectify, std::string_view name,
                 executor_ref exec) {
        stored<float> out{y_.data(), y_.size()};
        product_.forward(widen(x, x_, exec), out, bias, rectify, name, exec);
        narrow(y_, {.d = &y}, name, exec);
    }
    void forward(const stored<T>& x, float* y, const float* bias, executor_ref exec, tensor_report* report) {
        product_.forward(widen(x, x_, exec), y, bias, exec, report);
    }
    void input_gradient(const stored<T>& d_y, const gradient_target<T>& to, std::string_view name, executor_ref exec) {
        stored<float> d_x{x_.data(), x_.size()};
        product_.input_gradient(widen(d_y, y_, exec), {.d = &d_x}, name, exec);
        narrow(x_, to, name, exec);
    }
    void weight_gradient(const stored<T>& x, const stored<T>& d_y, float* d_w, executor_ref exec,
                         tensor_report* report) {
        product_.weight_gradient(widen(x, x_, exec), widen(d_y, y_, exec), d_w, exec, report);
    }

private:
    static stored<float> widen(const stored<T>& from, buffer<float>& to, executor_ref exec) {
        stored<float> out{to.data(), to.size()};
        store_pass(out, channel_walk(1), {}, "", exec, [&](dim_t first, dim_t count, dim_t, float* __restrict v) {
            const T* __restrict const q = from.data + first;
            for (dim_t i = 0; i < count; ++i) v[i] = static_cast<float>(q[i]) * from.unit();
        });
        return out;
    }
    void narrow(const buffer<float>& from, const gradient_target<T>& to, std::string_view name, executor_ref exec) {
        store_gradient(to, channel_walk(1), spec_, name, exec,
                       [&](dim_t first, dim_t count, dim_t, float* v) { std::copy_n(from.data() + first, count, v); });
    }

    product_unit<float> product_;
    dfp_spec spec_;
    buffer<float> x_, y_;
};

/// d_bias[c] = sum over pixels of d_y.
template <class T>
void bias_gradient(const stored<T>& d_y, const channel_walk& walk, float* d_bias, buffer<sum_of<T>>& partial,
                   executor_ref exec) {
    std::vector<double> sums(static_cast<std::size_t>(walk.channels));
    sum_pass<1>(d_y.size, walk, exec, sums.data(), partial, [&](dim_t first, dim_t count, sum_of<T>* __restrict to) {
        const T* __restrict const q = d_y.data + first;
        for (dim_t i = 0; i < count; ++i) to[i] += static_cast<sum_of<T>>(q[i]);
    });
    const auto unit = static_cast<double>(d_y.unit());
    for (std::size_t c = 0; c < sums.size(); ++c) d_bias[c] = static_cast<float>(sums[c] * unit);
}

} // namespace intaglio::inline INTAGLIO_ABI::train
