// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a folded network to integers, with no data: weights are coded one layer after another, activations get the
// scales that batch norm implies. Each filter is divided by its largest weight first, and the factor moved into the
// epilogue, so that the 8-bit block scales of a tensor, which share one factor, serve small filters as well as large
// ones.

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/coded_network.hpp"
#include "intaglio/nn/fold.hpp"
#include "intaglio/quantize/blocks.hpp"
#include "intaglio/quantize/residual.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

namespace detail {
/// The largest magnitude of each row, 1 for rows of zeros.
inline std::vector<float> row_sizes(std::span<const float> weights, dim_t rows, dim_t cols) {
    std::vector<float> sizes(static_cast<std::size_t>(rows), 0.0f);
    for (dim_t r = 0; r < rows; ++r) {
        float& size = sizes[static_cast<std::size_t>(r)];
        for (dim_t c = 0; c < cols; ++c)
            size = std::max(size, std::fabs(weights[static_cast<std::size_t>(r * cols + c)]));
        if (size == 0) size = 1;
    }
    return sizes;
}

inline coded_weights code_weights(std::span<const float> weights, dim_t rows, dim_t cols, weight_coding coding,
                                  const std::string& name, executor_ref exec) {
    require<value_error>(coding.planes >= 1 && coding.planes <= max_planes, name, ": ", coding.planes, " planes; 1 to ",
                         max_planes, " are supported");
    switch (coding.kind) {
    case weight_coding::family::greedy:
        return quantize_residual(
            weights, rows, cols,
            {.planes = coding.planes, .block = scale_run, .largest_scale = foldable_scale(false, coding.planes)}, name,
            exec);
    case weight_coding::family::locked:
        return quantize_locked(weights, rows, cols,
                               {.digits = coding.planes,
                                .block = scale_run,
                                .sum_zero = true,
                                .largest_scale = foldable_scale(true, coding.planes)},
                               name, exec);
    case weight_coding::family::int8:
        break;
    }
    return quantize_blocks<fixed<8>>(weights, rows, cols, {}, name, exec);
}
} // namespace detail

/// Codes layer i of the convolutions and linear layers as codings[i]; one coding alone is used for all. `image_range`
/// is the largest value of an image, which becomes step 255 (or pass 255 s for images that are multiples of s).
/// value_error for a number of codings that does not fit, or weights that are not finite.
inline coded_network encode(const folded_network& network, std::span<const weight_coding> codings, float image_range,
                            executor_ref exec = {}) {
    const float_environment scope;
    const auto is_conv = [](const auto& stage) { return std::holds_alternative<folded_conv>(stage); };
    const auto layers = std::count_if(network.stages.begin(), network.stages.end(), is_conv);
    require<value_error>(codings.size() == 1 || std::cmp_equal(codings.size(), layers), "encode: ", codings.size(),
                         " codings for ", layers, " layers");
    require<value_error>(image_range > 0 && std::isfinite(image_range), "encode: the images' range is ", image_range);

    coded_network coded;
    float in_scale = image_range / 255;
    std::size_t layer = 0;
    for (const auto& stage : network.stages) {
        if (const auto* pool = std::get_if<max_pool_stage>(&stage)) {
            coded.stages.push_back(*pool);
            continue;
        }
        if (std::holds_alternative<average_pool_stage>(stage)) {
            coded.stages.emplace_back(std::in_place_type<average_pool_stage>);
            continue;
        }
        const auto& conv = std::get<folded_conv>(stage);
        const dim_t rows = conv.shape.out_channels, cols = conv.shape.filter_size();
        const std::vector<float> sizes = detail::row_sizes(conv.weights.span(), rows, cols);
        std::vector<float> weights(conv.weights.begin(), conv.weights.end());
        coded_conv out{.name = conv.name,
                       .shape = conv.shape,
                       .weights = {},
                       .scale = conv.scale,
                       .shift = conv.shift,
                       .in_scale = in_scale,
                       .out_scale = 0};
        for (dim_t r = 0; r < rows; ++r) {
            const auto at = static_cast<std::size_t>(r);
            for (dim_t c = 0; c < cols; ++c) weights[static_cast<std::size_t>(r * cols + c)] /= sizes[at];
            out.scale[at] *= sizes[at];
        }
        out.weights =
            detail::code_weights(weights, rows, cols, codings[codings.size() == 1 ? 0 : layer], conv.name, exec);
        ++layer;
        if (conv.range) in_scale = out.out_scale = *conv.range / 255;
        coded.stages.push_back(std::move(out));
    }
    return coded;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
