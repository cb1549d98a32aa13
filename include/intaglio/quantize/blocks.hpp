// SPDX-License-Identifier: Apache-2.0
#pragma once

// Symmetric integers with one real scale per row or per block of a row. One text for 8-bit weights with a scale for
// each output channel ("8-8"), 4-bit weights in blocks, 16-bit mantissas in blocks: they differ by the format and the
// block.
//
//   c_i = saturate(nearest_even(w_i / s)),   w_i ~ s c_i
//
// The scale s is max |w| / max_magnitude, or the one of least squared error (worth it for few bits), rounded to float
// before the codes are chosen. A block of zeros has s = 0.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/quantize/residual.hpp"
#include "intaglio/quantize/scale_search.hpp"
#include "intaglio/quantize/sum_zero.hpp"
#include "intaglio/tensor/block_tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI {

enum class scale_rule {
    largest,    ///< the largest magnitude takes the largest code: nothing saturates
    least_error ///< searched for: large weights may saturate where the others gain more
};

struct block_options {
    dim_t block = 0; ///< elements that share a scale, along a row; 0: the whole row
    scale_rule rule = scale_rule::largest;
    bool sum_zero = false; ///< let the errors of a block cancel (quantize/sum_zero.hpp)
};

/// Integers of a row-major matrix of rows x cols. Throws shape_error or value_error (NaN, infinity), with `name`.
template <IntegerFormat Format>
block_tensor<Format> quantize_blocks(std::span<const float> weights, dim_t rows, dim_t cols,
                                     const block_options& options = {}, std::string_view name = "weights",
                                     executor_ref exec = {}) {
    static_assert(Format::min_value < 0,
                  "quantize_blocks: an unsigned format has no room for negative weights; use a signed one");
    const dim_t block = options.block == 0 ? std::max<dim_t>(cols, 1) : options.block;
    detail::check_weights(weights, rows, cols, block, name, exec);
    block_tensor<Format> out(rows, cols, block);
    constexpr auto limit = static_cast<double>(Format::max_magnitude);

    detail::for_each_block(
        rows, cols, block, exec, [&](dim_t row, dim_t b, dim_t first, dim_t count, detail::block_scratch& scratch) {
            scratch.load(weights.data() + row * cols + first, count);
            const auto scale =
                static_cast<float>(options.rule == scale_rule::largest ? scratch.largest() / limit
                                                                       : detail::best_scale(scratch.rest, limit));
            out.scale(row, b) = scale;
            if (scale == 0) return;
            auto* codes = out.values(row) + first;
            for (std::size_t i = 0; i < scratch.rest.size(); ++i) {
                scratch.in_steps[i] = scratch.rest[i] / static_cast<double>(scale);
                codes[i] = static_cast<typename Format::storage>(detail::nearest_code(scratch.in_steps[i], limit));
            }
            if (options.sum_zero)
                round_to_sum_zero(scratch.in_steps, std::span(codes, scratch.rest.size()),
                                  static_cast<int>(Format::max_magnitude), scratch.order);
        });
    return out;
}

} // namespace intaglio::inline INTAGLIO_ABI
