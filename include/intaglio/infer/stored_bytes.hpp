// SPDX-License-Identifier: Apache-2.0
#pragma once

// What products take in a file (io/model_file.hpp), before there is one, and in memory, before they are packed: budgets
// and tables count with these.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/compact_panels.hpp"
#include "intaglio/infer/coded_network.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// Shannon's bound on the bytes of codes that are coded one by one.
inline double entropy_bytes(std::span<const std::int8_t> codes) {
    std::array<double, 256> counts{};
    for (const std::int8_t c : codes) counts[static_cast<std::uint8_t>(c)] += 1;
    double bits = 0;
    for (const double n : counts)
        if (n > 0) bits -= n * std::log2(n / static_cast<double>(codes.size()));
    return bits / 8;
}

/// What a product takes in a file beside its codes: a step and a bias for each channel, and a head.
inline dim_t bytes_beside_codes(dim_t channels) { return 36 + 3 * channels; }

/// What plane p (0 for the first) of a product takes in a file, without the first one's bytes_beside_codes.
inline double plane_bytes(const coded_product& product, std::size_t p) {
    const weight_plane& plane = product.planes[p];
    return entropy_bytes(plane.codes.span()) + static_cast<double>(plane.scales.size()) +
           (p > 0 ? static_cast<double>(36 + 2 * product.rows()) : 0);
}

/// What each channel takes in memory beside its codes: its factor and its bias.
inline constexpr dim_t memory_of_channel = 12;

/// About what a product takes in memory with its first `planes` planes, its codes in as few bits as they need.
inline double memory_bytes(const coded_product& product, int planes) {
    const channel_codes codes = sum_of_planes(product, planes);
    return compact_share(codes.codes.span()) * static_cast<double>(codes.codes.size()) +
           static_cast<double>(memory_of_channel * product.rows());
}

/// The bytes of a whole network's products in 8-8: a byte for each weight, and what each product has beside its codes.
inline dim_t bytes_in_8_8(const coded_network& network) {
    dim_t bytes = 0;
    for (const auto& p : network.products)
        if (p) bytes += p->rows() * p->cols() + bytes_beside_codes(p->rows());
    return bytes;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
