// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a coded network costs at a level, counted as the paper on ternary residual networks counts (arXiv 1707.04679,
// quantize/report.hpp), whatever kernels do:
//
//   planes           of trits: a block of codes up to 1, 4, 13, 40 or more is as many as the digits of a code, 1 to 5;
//                    where planes have no blocks they are counted in blocks of 64. A plane of bytes has none: one in
//                    which most rows have codes above 40, as 8-8 has
//   bits             of codes as they would lie in memory without entropy coding: 2 for each trit, 8 for each code of
//                    a plane of bytes, 8 for each scale of a block
//   entropy          what a file takes for codes and scales (Shannon's bound)
//   multiplications  one for each block that has a scale, trit plane and output: trits only add and subtract. A row
//                    without scales is one block. A plane of bytes: one for each weight and output
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

/// Trits of a code of that size at most.
constexpr int trits_of(int largest_code) {
    return largest_code <= 1 ? 1 : largest_code <= 4 ? 2 : largest_code <= 13 ? 3 : largest_code <= 40 ? 4 : 5;
}

namespace detail {

/// The cost of one plane, without what depends on images: `multiplications` of one pixel.
inline network_cost cost_of_plane(const weight_plane& plane) {
    const dim_t rows = plane.codes.shape()[0], cols = plane.codes.shape()[1],
                block = plane.block > 0 ? plane.block : 64;
    double trits = 0, products = 0;
    dim_t rows_of_bytes = 0;
    for (dim_t r = 0; r < rows; ++r) {
        int most = 0;
        for (dim_t c = 0; c < cols; c += block) {
            int largest = 0;
            const dim_t count = std::min(block, cols - c);
            for (dim_t k = 0; k < count; ++k) largest = std::max(largest, std::abs(int{plane.codes[r * cols + c + k]}));
            trits += static_cast<double>(trits_of(largest) * count);
            if (plane.block > 0) products += trits_of(largest);
            most = std::max(most, largest);
        }
        if (plane.block == 0) products += trits_of(most);
        rows_of_bytes += most > 40 ? 1 : 0;
    }
    const bool bytes = 2 * rows_of_bytes > rows;
    const auto weights = static_cast<double>(rows * cols), scales = static_cast<double>(plane.scales.size());
    network_cost cost;
    cost.planes = bytes ? 0 : trits;
    cost.bits = (bytes ? 8 * weights : 2 * trits) + 8 * scales;
    cost.entropy_bytes = entropy_bytes(plane.codes.span()) + scales;
    cost.multiplications = bytes ? weights : products;
    return cost;
}

} // namespace detail

/// The cost of one product at so many planes, which makes `pixels` of outputs of an image.
inline network_cost cost_of(const coded_product& product, int planes, dim_t pixels) {
    network_cost sum;
    sum.weights = static_cast<double>(product.rows() * product.cols());
    sum.macs = sum.weights * static_cast<double>(pixels);
    for (std::size_t p = 0; p < static_cast<std::size_t>(planes); ++p) {
        const network_cost one = detail::cost_of_plane(product.planes[p]);
        sum.planes += one.planes, sum.bits += one.bits, sum.entropy_bytes += one.entropy_bytes;
        sum.multiplications += one.multiplications * static_cast<double>(pixels);
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
