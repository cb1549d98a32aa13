// SPDX-License-Identifier: Apache-2.0
#pragma once

// The contract of a layer. A layer owns its parameters and what its backward pass needs beyond input and output; the
// network owns the feature maps. Layers of FP32 and of DFP16 networks are the same classes: those that multiply take a
// numerics argument (numerics.hpp), the others compute in FP32 always.
//
// Calls through this interface are virtual, one per layer and pass; nothing below a layer is.

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/audit.hpp"
#include "intaglio/nn/conversion_counts.hpp"
#include "intaglio/nn/feature_map.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// A named tensor of a layer: trained by the optimizer, or (running statistics) only kept and stored.
struct parameter {
    std::string name;
    tensor<float> value;
    tensor<float> gradient; ///< overwritten by each backward pass; empty if not trained
    bool trained = true;
    bool decays = true; ///< whether weight decay applies

    parameter(std::string name_, const extents& shape, bool trained_ = true, bool decays_ = true)
        : name(std::move(name_)), value(shape), gradient(trained_ ? shape : extents{0}), trained(trained_),
          decays(decays_) {}
};

/// What a pass is run with.
struct pass {
    bool training = false; ///< batch statistics instead of running ones, conversions counted
    executor_ref exec = {};
    conversion_counts* counts = nullptr; ///< where conversions to integers are counted, if anywhere
    audit* check = nullptr;              ///< where integer products are checked against 64 bits, if anywhere; slow
};

class layer_visitor;

class layer {
public:
    layer() = default;
    layer(const layer&) = delete;
    layer& operator=(const layer&) = delete;
    virtual ~layer() = default;

    /// The shape of the output for an input of shape `in`; shape_error, naming the layer, where the input does not fit.
    virtual extents output_shape(const extents& in) const = 0;

    /// Computes `out`, which has the shape output_shape(in.shape()).
    virtual void forward(const feature_map& in, feature_map& out, const pass& p) = 0;

    /// From the gradient of the loss with respect to `out` to that of the parameters and of `in`. `in` and `out` are
    /// those of the last forward pass, unchanged. `d_in` is null where nobody needs it (the first layer).
    virtual void backward(const feature_map& in, const feature_map& out, const feature_map& d_out, feature_map* d_in,
                          const pass& p) = 0;

    /// Every named tensor, in a fixed order. The pointers live as long as the layer.
    virtual std::vector<parameter*> parameters() { return {}; }

    /// Tells a visitor what this layer is.
    virtual void accept(layer_visitor& visitor) const = 0;
};

class conv2d_base;
class batch_norm;
class relu;
class max_pool;
class global_average_pool;
class residual;

/// Who reads a network layer by layer (fold.hpp). A layer that a visitor does not know is refused.
class layer_visitor {
public:
    virtual ~layer_visitor() = default;
    virtual void visit(const conv2d_base&) = 0;
    virtual void visit(const batch_norm&) = 0;
    virtual void visit(const relu&) = 0;
    virtual void visit(const max_pool&) = 0;
    virtual void visit(const global_average_pool&) = 0;
    virtual void visit(const residual&) = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
