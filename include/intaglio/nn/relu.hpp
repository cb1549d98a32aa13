// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rectifier: out = max(in, 0), and NaN where `in` is. The gradient passes where the output is positive, or NaN: a
// network that has broken does not look healthy.

#include "intaglio/core/config.hpp"
#include "intaglio/nn/chunks.hpp"
#include "intaglio/nn/layer.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

class relu : public layer {
public:
    extents output_shape(const extents& in) const override { return in; }

    void forward(const feature_map& in, feature_map& out, const pass& p) override {
        for_each_chunk(in.size(), p.exec, [x = in.data(), y = out.data()](dim_t begin, dim_t end) {
            for (dim_t i = begin; i < end; ++i) y[i] = 0.0f > x[i] ? 0.0f : x[i];
        });
    }
    void backward(const feature_map&, const feature_map& out, const feature_map& d_out, feature_map* d_in,
                  const pass& p) override {
        if (!d_in) return;
        for_each_chunk(out.size(), p.exec,
                       [y = out.data(), d = d_out.data(), result = d_in->data()](dim_t begin, dim_t end) {
                           for (dim_t i = begin; i < end; ++i) {
                               // loaded in any case, or the compiler branches on each element: ten times as slow
                               const float passed = d[i];
                               result[i] = y[i] <= 0 ? 0.0f : passed;
                           }
                       });
    }
    void accept(layer_visitor& visitor) const override { visitor.visit(*this); }
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
