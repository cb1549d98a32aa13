// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dynamic fixed point: integers ("mantissas") that share one exponent, value(i) = mantissas[i] * 2^exponent. Made by quantize/dfp.hpp.

#include "intaglio/core/config.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI {

template <IntegerFormat Format>
struct dfp_tensor {
    using format = Format;
    using storage = typename Format::storage;

    tensor<storage> mantissas;
    int exponent = 0; ///< of the unit, so of the last place; -180 .. 158 covers every float at every width

    const extents& shape() const noexcept { return mantissas.shape(); }
    index size() const noexcept { return mantissas.size(); }
    const storage* data() const noexcept { return mantissas.data(); }

    /// 2^exponent, the common factor that a product takes. Exact.
    double scale() const noexcept { return power_of_two(exponent); }
    /// Exact.
    double value(index i) const noexcept { return static_cast<double>(mantissas[i]) * scale(); }
};

} // namespace intaglio::inline INTAGLIO_ABI
