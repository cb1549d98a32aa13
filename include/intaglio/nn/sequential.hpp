// SPDX-License-Identifier: Apache-2.0
#pragma once

// A network whose layers follow each other, and the residual block x + body(x) that is a layer made of one. The network
// owns the layers and the feature maps between them; the caller owns input and labels.

#include <memory>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/chunks.hpp"
#include "intaglio/nn/layer.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

class sequential {
public:
    /// Appends a layer and returns it.
    template <class Layer, class... Args>
    Layer& add(Args&&... args) {
        auto made = std::make_unique<Layer>(std::forward<Args>(args)...);
        Layer& ref = *made;
        layers_.push_back(std::move(made));
        return ref;
    }

    dim_t size() const { return static_cast<dim_t>(layers_.size()); }

    extents output_shape(extents shape) const {
        for (const auto& l : layers_) shape = l->output_shape(shape);
        return shape;
    }

    /// The output, valid until the next forward pass. `in` must stay as it is until the backward pass is done.
    const feature_map& forward(const feature_map& in, const pass& p) {
        output_shape(in.shape()); // every shape is checked before anything is changed
        in_ = &in;
        maps_.resize(layers_.size());
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            const feature_map& from = input_of(i);
            maps_[i].resize(layers_[i]->output_shape(from.shape()));
            layers_[i]->forward(from, maps_[i], p);
        }
        return layers_.empty() ? in : maps_.back();
    }

    /// Gradients of all parameters, and of the input unless `d_in` is null (it takes the input's shape).
    void backward(const feature_map& d_out, feature_map* d_in, const pass& p) {
        require<value_error>(in_ != nullptr && !layers_.empty(),
                             "network: a backward pass needs a forward pass before it");
        require(d_out.shape() == maps_.back().shape(), "network: the output is ", maps_.back().shape(),
                " but its gradient ", d_out.shape());
        gradients_.resize(layers_.size());
        const feature_map* d = &d_out;
        for (std::size_t i = layers_.size(); i-- > 0;) {
            feature_map* const to = i > 0 ? &gradients_[i - 1] : d_in;
            if (to) to->resize(input_of(i).shape());
            layers_[i]->backward(input_of(i), maps_[i], *d, to, p);
            d = to;
        }
    }

    std::vector<parameter*> parameters() {
        std::vector<parameter*> all;
        for (const auto& l : layers_)
            for (parameter* q : l->parameters()) all.push_back(q);
        return all;
    }

    void accept(layer_visitor& visitor) const {
        for (const auto& l : layers_) l->accept(visitor);
    }

private:
    const feature_map& input_of(std::size_t i) const { return i == 0 ? *in_ : maps_[i - 1]; }

    std::vector<std::unique_ptr<layer>> layers_;
    std::vector<feature_map> maps_, gradients_; // maps_[i]: output of layer i; gradients_[i]: of that output
    const feature_map* in_ = nullptr;
};

/// out = in + body(in); the body keeps the shape.
class residual : public layer {
public:
    sequential& body() { return body_; }
    const sequential& body() const { return body_; }

    extents output_shape(const extents& in) const override {
        const extents out = body_.output_shape(in);
        require(out == in, "residual: the body turns ", in, " into ", out, ", which can't be added");
        return in;
    }
    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        const feature_map& branch = body_.forward(in, p);
        for_each_chunk(in.size(), p.exec, [x = in.data(), b = branch.data(), y = out.data()](dim_t begin, dim_t end) {
            for (dim_t i = begin; i < end; ++i) y[i] = x[i] + b[i];
        });
    }
    void backward(const feature_map&, const feature_map&, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        body_.backward(d_out, d_in, p);
        if (!d_in) return;
        for_each_chunk(d_in->size(), p.exec, [d = d_out.data(), result = d_in->data()](dim_t begin, dim_t end) {
            for (dim_t i = begin; i < end; ++i) result[i] += d[i];
        });
    }
    std::vector<parameter*> parameters() override { return body_.parameters(); }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }

private:
    sequential body_;
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
