// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a coded network costs at a level, counted as the paper on ternary residual networks counts (arXiv 1707.04679,
// quantize/report.hpp), whatever kernels do:
//
//   planes           of trits: a plane of codes up to 1, 4 or 13 is as many as the digits of a code, 1, 2 or 3; larger
//                    codes, as those of 8-8, are none
//   bits             of codes as they would lie in memory without entropy coding: 2 for each trit, 8 for each code of
//                    no trits, 8 for each scale of a block
//   entropy          what a file takes for codes and scales (Shannon's bound)
//   multiplications  one for each block, trit plane and output: trits only add and subtract. Codes of no trits: one for
//                    each weight and output. A row without blocks is one block.
//
// Steps and biases of channels, which 8-8 has too, are counted in none of them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/stored_bytes.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

struct network_cost {
    double weights = 0;         ///< of all products that were counted
    double planes = 0;          ///< of trits, summed over the weights
    double bits = 0;            ///< of codes and scales
    double entropy_bytes = 0;   ///< of codes and scales
    double macs = 0;            ///< multiply-adds for one image, which 8-8 multiplies
    double multiplications = 0; ///< for one image

    double planes_per_weight() const { return planes / std::max(weights, 1.0); }
    double bits_per_weight() const { return bits / std::max(weights, 1.0); }
    double size_vs_8_8() const { return 8 * weights / std::max(bits, 1.0); }
    double multiplications_vs_8_8() const { return macs / std::max(multiplications, 1.0); }
};

/// Trits of a code of that size at most; 0 where there would be more than 3.
constexpr int trits_of(int largest_code) {
    return largest_code <= 1 ? 1 : largest_code <= 4 ? 2 : largest_code <= 13 ? 3 : 0;
}

/// The cost of one product at so many planes, which makes `outputs` pixels of an image.
inline network_cost cost_of(const coded_product& product, int planes, dim_t outputs) {
    network_cost sum;
    const dim_t rows = product.rows(), cols = product.cols();
    const auto weights = static_cast<double>(rows * cols), pixels = static_cast<double>(outputs);
    sum.weights = weights;
    sum.macs = weights * pixels;
    for (std::size_t p = 0; p < static_cast<std::size_t>(planes); ++p) {
        const weight_plane& plane = product.planes[p];
        int largest = 0;
        for (const std::int8_t c : plane.codes) largest = std::max(largest, std::abs(int{c}));
        const int trits = trits_of(largest);
        const dim_t blocks = cols > 0 ? detail::blocks_of(cols, plane.block > 0 ? plane.block : cols) : 0;
        sum.planes += trits * weights;
        sum.bits += weights * (trits > 0 ? 2 * trits : 8) + 8.0 * static_cast<double>(plane.scales.size());
        sum.entropy_bytes += entropy_bytes(plane.codes.span()) + static_cast<double>(plane.scales.size());
        sum.multiplications += trits > 0 ? trits * static_cast<double>(rows * blocks) * pixels : sum.macs;
    }
    return sum;
}

/// The cost at a level, 1 .. level_count(), of all products or of all but the first and the last.
inline network_cost cost(const coded_network& network, int level, bool with_ends = true) {
    const float_environment scope;
    const std::vector<extents> shapes = nn::infer_shapes(network.net, 1);
    const std::vector<std::size_t> products = products_of(network.net);
    network_cost sum;
    for (const std::size_t i : products) {
        if (!with_ends && (i == products.front() || i == products.back())) continue;
        const network_cost one =
            cost_of(*network.products[i], network.planes_at(level, i), shapes[i][1] * shapes[i][2]);
        sum.weights += one.weights, sum.planes += one.planes, sum.bits += one.bits;
        sum.entropy_bytes += one.entropy_bytes, sum.macs += one.macs, sum.multiplications += one.multiplications;
    }
    return sum;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
