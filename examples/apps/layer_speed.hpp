// SPDX-License-Identifier: Apache-2.0
#pragma once

// How fast the kernels under the quickstart are on this CPU: one line for each instruction set, through the table of
// functions that bench/ builds once per instruction set. The product is that of a 3 x 3 layer of ResNet-50 (stage 4: 14
// x 14 pixels, 256 channels, a batch of 4), on one core.
//
// The operands are what a network has: normal weights, and normal activations after a ReLU. That matters for DFP16,
// whose proven chains are as long as the data allow; mantissas that are all near the maximum would be several times as
// slow.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "kernel_table.hpp"

namespace quickstart {

struct product_size {
    std::ptrdiff_t m, n, k;
    double macs() const { return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
};

/// Multiply-adds per second, in 10^9, of one kernel on out(m, n) = lhs(m, k) rhs(k, n), the columns of rhs stored one
/// after the other: best of the runs that fit in a fifth of a second. 0 if it can't run.
inline double gemm_speed(const kernel_tables::kernel* kernel, const product_size& size, const void* lhs,
                         const void* rhs, const void* scales = nullptr, std::size_t scale_count = 0) {
    namespace tables = kernel_tables;
    using clock = std::chrono::steady_clock;
    if (!kernel || !kernel->pack || !kernel->gemm) return 0;
    tables::outcome result;
    tables::operand_data filters;
    filters.values = rhs;
    filters.rows = size.k, filters.cols = size.n;
    filters.row_stride = 1, filters.col_stride = size.k;
    filters.scales = scales, filters.scale_count = static_cast<std::ptrdiff_t>(scale_count);
    void* const packed = kernel->pack(filters, tables::storage::fast, 1, result);
    if (result.kind != tables::outcome::ok) return 0;

    std::vector<float> out(static_cast<std::size_t>(size.m * size.n));
    tables::gemm_call call;
    call.lhs.values = lhs;
    call.lhs.rows = size.m, call.lhs.cols = size.k, call.lhs.row_stride = size.k;
    call.packed = packed;
    call.out.values = out.data();
    call.out.rows = size.m, call.out.cols = size.n, call.out.row_stride = size.n;
    double best = 1e30;
    const auto end = clock::now() + std::chrono::milliseconds(200);
    do {
        const auto start = clock::now();
        kernel->gemm(call, result);
        best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
    } while (result.kind == tables::outcome::ok && clock::now() < end);
    kernel->release(packed);
    return result.kind == tables::outcome::ok ? size.macs() / best / 1e9 : 0;
}

/// One line for each instruction set that was built and that this CPU has.
inline void print_layer_speeds() {
    using namespace intaglio;
    constexpr product_size size{4 * 14 * 14, 256, 3 * 3 * 256};
    std::vector<float> activations(static_cast<std::size_t>(size.m * size.k)),
        weights(static_cast<std::size_t>(size.n * size.k));
    for (std::size_t i = 0; i < activations.size(); ++i) activations[i] = std::max(0.0f, random_normal(1, 1, i));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = random_normal(1, 2, i);

    const auto activation_mantissas = quantize_dfp<fixed<16>>(activations, {size.m, size.k});
    const auto weight_mantissas = quantize_dfp<fixed<16>>(weights, {size.n, size.k});
    std::vector<std::uint8_t> activation_bytes(activations.size());
    std::vector<std::int8_t> weight_bytes(weights.size()), weight_trits(weights.size());
    for (std::size_t i = 0; i < activations.size(); ++i)
        activation_bytes[i] = requantize<unsigned_fixed<8>>(activations[i], 255.0f / 6);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weight_bytes[i] = requantize<fixed<8>>(weights[i], 127.0f / 5);
        // the threshold that fits a normal distribution best
        weight_trits[i] = static_cast<std::int8_t>((weights[i] > 0.6f) - (weights[i] < -0.6f));
    }
    const std::vector<float> column_scales(static_cast<std::size_t>(size.n), 5.0f / 127);
    const std::vector<std::uint8_t> block_scales(static_cast<std::size_t>(size.n * (size.k / 64)), 200);

    std::printf("GMAC/s on one core, a 3 x 3 layer of ResNet-50 as a product (%td x %td) (%td x %td):\n", size.m,
                size.k, size.k, size.n);
    for (const auto& table : kernel_tables::arch_tables()) {
        if (!table.usable()) continue;
        std::printf(
            "  %-12s FP32 %7.1f   DFP16 %7.1f   8-8 %7.1f   ternary %7.1f\n", table.name,
            gemm_speed(table.find("fp32"), size, activations.data(), weights.data()),
            gemm_speed(table.find("dfp16_training"), size, activation_mantissas.data(), weight_mantissas.data()),
            gemm_speed(table.find("int8_inference"), size, activation_bytes.data(), weight_bytes.data(),
                       column_scales.data(), column_scales.size()),
            gemm_speed(table.find("ternary8_inference<1>"), size, activation_bytes.data(), weight_trits.data(),
                       block_scales.data(), block_scales.size()));
    }
}

} // namespace quickstart
