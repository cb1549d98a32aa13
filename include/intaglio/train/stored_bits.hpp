// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many bits the tensors of a step keep. What a product reads has 13 (docs/decisions/0024-head-room.md), so that its
// sums are long; what only batch norms and passes read has all 15, which costs nothing.

#include <algorithm>
#include <span>
#include <variant>
#include <vector>

#include "intaglio/nn/network.hpp"
#include "intaglio/train/options.hpp"
#include "intaglio/train/product.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// Whether nobody multiplies the gradient by a unit's output: it may keep all bits then. `wide` says so of tensors,
/// `inputs` are the unit's.
inline bool takes_wide_gradient(const nn::operation& op, std::span<const std::size_t> inputs,
                                std::span<const char> wide) {
    if (std::holds_alternative<nn::op::convolution>(op) || std::holds_alternative<nn::op::linear>(op)) return false;
    const auto is_wide = [&](std::size_t tensor) { return wide[tensor] != 0; };
    if (std::holds_alternative<nn::op::batch_norm>(op)) return inputs.size() == 1 || is_wide(inputs[1]);
    const bool hands_on = std::holds_alternative<nn::op::add>(op) || std::holds_alternative<nn::op::relu>(op);
    return !hands_on || std::all_of(inputs.begin(), inputs.end(), is_wide);
}

/// How a product stores what it writes: with all bits where only batch norms read it. `readers` are nodes, `place` is
/// among the products of the network.
inline product_options options_of_product(const nn::network& net, const plan_options& options,
                                          std::span<const std::size_t> readers, bool wide_gradient, int place) {
    const storage_options& storage = options.storage;
    const bool to_norms = std::all_of(readers.begin(), readers.end(), [&](std::size_t reader) {
        return std::holds_alternative<nn::op::batch_norm>(net.nodes[reader].op);
    });
    return {.weights = storage.weights,
            .outputs = to_norms ? storage.products : storage.operands,
            .gradients = wide_gradient ? storage.products : storage.operands,
            .form = {options.convolutions, largest_mantissa(storage.operands)},
            .place = place};
}

} // namespace intaglio::inline INTAGLIO_ABI::train
