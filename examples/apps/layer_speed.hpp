// SPDX-License-Identifier: Apache-2.0
#pragma once

// How fast the kernels under the quickstart are on this CPU: one line for each instruction set, through the table of functions that bench/ builds once per
// instruction set. The product is that of a 3 x 3 layer of ResNet-50 (stage 3: 14 x 14 pixels, 256 channels, a batch of 4), on one core.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "kernel_table.hpp"

namespace quickstart {

/// Multiply-adds per second, in 10^9, of one kernel on out(m, n) = lhs(m, k) rhs(k, n): best of the runs that fit in `seconds`. 0 if it can't run.
template <class Lhs, class Rhs>
double gemm_speed(const kernel_tables::kernel* kernel, std::ptrdiff_t m, std::ptrdiff_t n, std::ptrdiff_t k, int planes, const void* scales, Lhs lhs_value,
                  Rhs rhs_value, double seconds = 0.2) {
    namespace tables = kernel_tables;
    if (!kernel || !kernel->pack || !kernel->gemm) return 0;
    using clock = std::chrono::steady_clock;
    std::vector<decltype(lhs_value(0))> lhs(static_cast<std::size_t>(m * k));
    std::vector<decltype(rhs_value(0))> rhs(static_cast<std::size_t>(planes * n * k));
    for (std::size_t i = 0; i < lhs.size(); ++i) lhs[i] = lhs_value(i);
    for (std::size_t i = 0; i < rhs.size(); ++i) rhs[i] = rhs_value(i);
    std::vector<float> out(static_cast<std::size_t>(m * n));

    tables::outcome result;
    const tables::operand_data filters{.values = rhs.data(), .rows = k, .cols = n, .row_stride = 1, .col_stride = k, .scale = 1, .scales = scales,
                                       .plane_stride = n * k};
    void* const packed = kernel->pack(filters, 1, result);
    if (result.kind != tables::outcome::ok) return 0;
    tables::gemm_call call;
    call.lhs = {.values = lhs.data(), .rows = m, .cols = k, .row_stride = k, .col_stride = 1};
    call.packed = packed;
    call.out = {.kind = tables::output_data::floats, .values = out.data(), .rows = m, .cols = n, .row_stride = n, .col_stride = 1};
    double best = 1e30;
    const auto end = clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    do {
        const auto start = clock::now();
        kernel->gemm(call, result);
        best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
    } while (result.kind == tables::outcome::ok && clock::now() < end);
    kernel->release(packed);
    return result.kind == tables::outcome::ok ? static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / best / 1e9 : 0;
}

/// One line for each instruction set that was built and that this CPU has.
inline void print_layer_speeds() {
    constexpr std::ptrdiff_t m = 4 * 14 * 14, n = 256, k = 3 * 3 * 256;
    const std::vector<std::uint8_t> block_scales(static_cast<std::size_t>(n * (k / 64)), 100);
    const std::vector<float> column_scales(static_cast<std::size_t>(n), 0.01f);
    const auto pattern = [](std::size_t i, unsigned range) { return static_cast<int>(static_cast<std::uint32_t>(i * 2654435761u) >> 8) % static_cast<int>(range); };
    const auto real = [=](std::size_t i) { return static_cast<float>(pattern(i, 2001) - 1000) / 1000; };
    const auto mantissa = [=](std::size_t i) { return static_cast<std::int16_t>(pattern(i, 65535) - 32767); };
    const auto byte = [=](std::size_t i) { return static_cast<std::uint8_t>(pattern(i, 256)); };
    const auto weight = [=](std::size_t i) { return static_cast<std::int8_t>(pattern(i, 255) - 127); };
    const auto trit = [=](std::size_t i) { return static_cast<std::int8_t>(pattern(i, 3) - 1); };

    std::printf("GMAC/s on one core, 3x3 layer of ResNet-50 as a product %td x %td x %td:\n", m, n, k);
    for (const auto& table : kernel_tables::arch_tables()) {
        if (!table.usable()) continue;
        std::printf("  %-12s FP32 %7.1f   DFP16 %7.1f   8-8 %7.1f   ternary %7.1f\n", table.name, gemm_speed(table.find("fp32"), m, n, k, 1, nullptr, real, real),
                    gemm_speed(table.find("dfp16_training"), m, n, k, 1, nullptr, mantissa, mantissa),
                    gemm_speed(table.find("int8_inference"), m, n, k, 1, column_scales.data(), byte, weight),
                    gemm_speed(table.find("ternary8_inference<1>"), m, n, k, 1, block_scales.data(), byte, trit));
    }
}

} // namespace quickstart
