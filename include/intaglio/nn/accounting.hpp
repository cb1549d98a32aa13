// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a coded network costs at a level of its dial. All counts are of what the coding needs, not of what a kernel
// happens to do.
//
//   bits of weights    8-8: 8 a weight and 32 a scale (one per output channel). Ternary: 1.6 a trit (trit_packing.hpp)
//                      and 8 a block scale
//   bytes              the stored tensors: weights as above, and the folded batch norm (two floats per output channel)
//                      in every coding
//   multiplications    8-8: one for each multiply-add. Trits only add and subtract: one for each block, plane and
//                      output, its scale (locked planes count as planes too). One more for each output (the folded
//                      batch norm) in every coding
//
// These are the conventions of quantize/report.hpp, applied to a real network: short blocks and what is not weights are
// counted too.

#include "intaglio/core/config.hpp"
#include "intaglio/nn/coded_network.hpp"
#include "intaglio/nn/trit_packing.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct network_cost {
    dim_t weights = 0;         ///< of all convolutions and linear layers
    dim_t planes = 0;          ///< summed over the weights; an 8-bit weight counts as none
    dim_t weight_bytes = 0;    ///< codes and their scales
    dim_t bytes = 0;           ///< with the folded batch norm
    dim_t multiplications = 0; ///< for one image
    dim_t multiply_adds = 0;   ///< for one image, however they are done

    double planes_per_weight() const { return static_cast<double>(planes) / static_cast<double>(weights); }
    double bits_per_weight() const { return 8.0 * static_cast<double>(weight_bytes) / static_cast<double>(weights); }
};

/// The cost at `level` (1 .. network.levels()) for images of height x width.
inline network_cost cost(const coded_network& network, int level, dim_t height, dim_t width) {
    network_cost sum;
    for (const auto& stage : network.stages) {
        if (const auto* pool = std::get_if<max_pool_stage>(&stage)) {
            height = (height - pool->window) / pool->stride + 1;
            width = (width - pool->window) / pool->stride + 1;
        } else if (std::holds_alternative<average_pool_stage>(stage)) {
            height = width = 1;
        } else {
            const auto& conv = std::get<coded_conv>(stage);
            const conv_geometry g = conv.shape.on({1, height, width, conv.shape.in_channels}, conv.name);
            height = g.out_height(), width = g.out_width();
            const dim_t rows = g.out_channels, cols = g.filter_size(), outputs = g.out_pixels() * rows;
            const dim_t blocks = cols / scale_run + (cols % scale_run != 0 ? 1 : 0);
            dim_t planes = 0, bytes = 0, scaled_sums = 0;
            if (const auto* greedy = std::get_if<ternary_tensor>(&conv.weights)) {
                planes = planes_at(greedy->planes(), level);
                bytes = planes * (packed_trit_bytes(rows * cols) + rows * blocks) + 8;
                scaled_sums = planes * blocks;
            } else if (const auto* locked = std::get_if<locked_tensor>(&conv.weights)) {
                planes = locked->digits();
                bytes = planes * packed_trit_bytes(rows * cols) + rows * blocks + 8;
                scaled_sums = planes * blocks;
            } else {
                bytes = rows * cols + 4 * rows;
                scaled_sums = cols;
            }
            sum.weights += rows * cols;
            sum.planes += planes * rows * cols;
            sum.weight_bytes += bytes;
            sum.bytes += bytes + 8 * rows;
            sum.multiplications += outputs * (scaled_sums + 1);
            sum.multiply_adds += g.macs();
        }
    }
    return sum;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
