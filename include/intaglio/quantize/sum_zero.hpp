// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rounding so that a block's errors cancel. The inputs x_i that a block of weights meets have a mean mu, so the error
// of its dot product is
//
//   sum of e_i x_i = mu * sum of e_i  +  sum of e_i (x_i - mu),        e_i = w_i - (what w_i became)
//
// and the first term is what hurts first. After rounding to nearest, this moves the fewest codes by one, those nearest
// to the other choice, until |sum of e_i| <= 1/2 of a step. The idea is SQuant's (Guo et al., ICLR 2022); it needs no
// data and costs nothing at run time. The squared error grows a little: a code with error e moves to 1 - |e|.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Moves codes of one block by one step; returns how many. `x` are the block's weights in steps (w_i / scale), `block`
/// their integers in -limit .. limit, which stay in there. Throws shape_error where they are not as many. Only codes
/// whose own error has the sum's sign move, the earlier of two equals first, so where many codes are saturated the sum
/// may not reach 1/2. `order` is scratch.
template <class Code>
dim_t round_to_sum_zero(std::span<const double> x, std::span<Code> block, int limit, std::vector<dim_t>& order) {
    const float_environment scope;
    require(x.size() == block.size(), "sum-zero rounding: ", x.size(), " weights, ", block.size(), " codes");
    Code* const codes = block.data();
    const auto error = [&](dim_t i) { return x[static_cast<std::size_t>(i)] - static_cast<double>(codes[i]); };
    double sum = 0;
    for (dim_t i = 0; i < static_cast<dim_t>(x.size()); ++i) sum += error(i);
    const double sign = sum > 0 ? 1.0 : -1.0;
    const auto wanted = static_cast<dim_t>(std::min(std::nearbyint(std::abs(sum)), static_cast<double>(x.size())));
    if (wanted == 0) return 0;

    order.clear();
    for (dim_t i = 0; i < static_cast<dim_t>(x.size()); ++i) {
        if (sign * error(i) > 0 && sign * static_cast<double>(codes[i]) < limit) order.push_back(i);
    }
    const dim_t moved = std::min(wanted, static_cast<dim_t>(order.size()));
    std::partial_sort(order.begin(), order.begin() + moved, order.end(), [&](dim_t a, dim_t b) {
        const double ea = sign * error(a), eb = sign * error(b);
        return ea != eb ? ea > eb : a < b;
    });
    for (dim_t i = 0; i < moved; ++i) {
        Code& code = codes[order[static_cast<std::size_t>(i)]];
        code = static_cast<Code>(code + (sum > 0 ? 1 : -1));
    }
    return moved;
}

} // namespace intaglio::inline INTAGLIO_ABI
