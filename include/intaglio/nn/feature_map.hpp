// SPDX-License-Identifier: Apache-2.0
#pragma once

// What flows between layers: FP32 values of shape batch x height x width x channels, channels last and dense. Dynamic
// fixed point lives inside the layers that multiply (product_operand.hpp), so that layers of both precisions meet in
// one type.

#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

class feature_map {
public:
    feature_map() : values_(extents{0, 0, 0, 0}) {}
    /// Zeros of shape batch x height x width x channels. shape_error unless the shape has these four extents.
    explicit feature_map(const extents& shape) : feature_map() { resize(shape); }

    /// Takes another shape. The memory is kept where the size stays the same; the values are unspecified afterwards.
    void resize(const extents& shape) {
        require(shape.rank() == 4, "feature map: expected batch x height x width x channels, got ", shape);
        if (shape.size() == values_.size())
            values_.reshape(shape);
        else
            values_ = tensor<float>(shape);
    }

    const extents& shape() const { return values_.shape(); }
    dim_t batch() const { return shape()[0]; }
    dim_t height() const { return shape()[1]; }
    dim_t width() const { return shape()[2]; }
    dim_t channels() const { return shape()[3]; }
    dim_t size() const { return values_.size(); }
    dim_t pixels() const { return batch() * height() * width(); } ///< rows of the matrix pixels x channels

    const tensor<float>& all() const { return values_; }
    float* data() { return values_.data(); }
    const float* data() const { return values_.data(); }
    std::span<float> values() { return values_.span(); }
    std::span<const float> values() const { return values_.span(); }

private:
    tensor<float> values_;
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
