// SPDX-License-Identifier: Apache-2.0
#pragma once

// A FP32 tensor as the products of a numerics (numerics.hpp) read it: for FP32 the floats themselves, in place; for
// dynamic fixed point a copy as mantissas that share one exponent, taken from the exact current maximum. The two have
// one interface, which is why a layer has one text.

#include <span>
#include <string_view>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/layer.hpp"
#include "intaglio/nn/numerics.hpp"
#include "intaglio/quantize/dfp.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

template <class Numerics>
class product_operand;

/// FP32: refers to the tensor given, which must stay where it is.
template <>
class product_operand<fp32_numerics> {
public:
    void assign(const tensor<float>& values, std::string_view, const pass&) { values_ = values.span(); }
    std::span<const float> span() const { return values_; }
    double scale() const { return 1; }

private:
    std::span<const float> values_;
};

/// Dynamic fixed point: value = mantissa * scale, scale a power of two.
template <class Numerics>
class product_operand {
public:
    /// Converts `values`, round to nearest even. value_error, which names `name` and the position, at the first NaN or
    /// infinity.
    void assign(const tensor<float>& values, std::string_view name, const pass& p) {
        requantize_dfp(values.span(), values.shape(), converted_, Numerics::spec, name, nearest_even{}, p.exec);
        if (!p.counts) return;
        p.counts->converted += values.size();
        p.counts->lost += count_losses(values.span(), converted_, Numerics::spec);
    }
    auto span() const { return converted_.span(); }
    double scale() const { return converted_.scale(); }

private:
    dfp_tensor<typename Numerics::product::lhs::format> converted_;
};

} // namespace intaglio::inline INTAGLIO_ABI::nn
