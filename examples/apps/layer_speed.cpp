// SPDX-License-Identifier: Apache-2.0

// The product is that of a 3 x 3 layer of ResNet-50 (stage 4: 14 x 14 pixels, 256 channels, a batch of 4), on one core,
// through the table of functions that layer_kernels.cpp fills once per instruction set.
//
// The operands are what a network has: normal weights, coded by the library's own quantizers, and normal activations
// after a ReLU. Both matter. Proven chains of DFP16 are as long as the data allow: mantissas that are all near the
// maximum would be several times as slow. And block scales are asked to be so small that they fold into the digits,
// where the instruction set multiplies bytes.

#include "layer_speed.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/gemm/presets.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/quantize/int8.hpp"
#include "intaglio/quantize/residual.hpp"
#include "kernel_table.hpp"

namespace quickstart {
namespace {

using namespace intaglio;
namespace tables = kernel_tables;

constexpr dim_t pixels = 4 * 14 * 14, channels = 256, taps = 3 * 3, depth = taps * channels;

/// An operand of a table's functions from a view, whose memory it shares.
template <class View>
tables::operand_data operand_of(const View& view) {
    return {.values = view.values.data(),
            .rows = view.values.rows(),
            .cols = view.values.cols(),
            .row_stride = view.values.row_stride(),
            .col_stride = view.values.col_stride(),
            .scale = view.scale,
            .scales = view.scales.data(),
            .scale_count = std::ssize(view.scales),
            .plane_stride = view.plane_stride};
}

/// Multiply-adds per second, in 10^9, of one kernel on (pixels x depth) (depth x channels): best of the runs that fit
/// in a fifth of a second. 0 if it can't run.
double speed(const tables::kernel* kernel, const void* activations, const tables::operand_data& filters) {
    using clock = std::chrono::steady_clock;
    if (!kernel) return 0;
    tables::outcome result;
    void* const packed = kernel->pack(filters, tables::storage::fast, 1, result);
    if (result.kind != tables::outcome::ok) return 0;

    std::vector<float> out(static_cast<std::size_t>(pixels * channels));
    tables::gemm_call call;
    call.lhs = {.values = activations, .rows = pixels, .cols = depth, .row_stride = depth};
    call.packed = packed;
    call.out = {.values = out.data(), .rows = pixels, .cols = channels, .row_stride = channels};
    double best = 1e30;
    const auto end = clock::now() + std::chrono::milliseconds(200);
    do {
        const auto start = clock::now();
        kernel->gemm(call, result);
        best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
    } while (result.kind == tables::outcome::ok && clock::now() < end);
    kernel->release(packed);
    return result.kind == tables::outcome::ok ? static_cast<double>(pixels * channels * depth) / best / 1e9 : 0;
}

} // namespace

void print_layer_speeds() {
    std::vector<float> activations(static_cast<std::size_t>(pixels * depth)),
        weights(static_cast<std::size_t>(channels * depth));
    for (std::size_t i = 0; i < activations.size(); ++i) activations[i] = std::max(0.0F, random_normal(1, 1, i));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = random_normal(1, 2, i);
    std::vector<std::uint8_t> bytes(activations.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = requantize<unsigned_fixed<8>>(activations[i], 255.0F / 6);
    const auto mantissas = quantize_dfp<fixed<16>>(activations, {pixels, depth});

    const auto weight_mantissas = quantize_dfp<fixed<16>>(weights, {channels, depth});
    const auto eight_bits = quantize_int8_rows(weights, channels, depth);
    const auto ternary =
        quantize_residual(weights, channels, depth, {.planes = 1, .largest_scale = foldable_scale(false, 1)});

    const auto of_matrix = []<class P>(const auto* filters) {
        return operand_of(rhs_view<P>{.values = matrix_view(filters, channels, depth).transposed()});
    };
    const auto fp32_filters = of_matrix.operator()<fp32>(weights.data()),
               dfp16_filters = of_matrix.operator()<dfp16_training>(weight_mantissas.data()),
               byte_filters = operand_of(eight_bits.as_rhs<rhs_view<int8_inference>>()),
               ternary_filters = operand_of(ternary.as_rhs<rhs_view<ternary8_inference<1>>>());

    std::printf("GMAC/s on one core, a 3 x 3 layer of ResNet-50 as a product (%td x %td) (%td x %td):\n", pixels, depth,
                depth, channels);
    for (const auto& table : tables::arch_tables()) {
        if (!table.usable()) continue;
        std::printf("  %-12s FP32 %7.1f   DFP16 %7.1f   8-8 %7.1f   ternary %7.1f\n", table.name,
                    speed(table.find("fp32"), activations.data(), fp32_filters),
                    speed(table.find("dfp16_training"), mantissas.data(), dfp16_filters),
                    speed(table.find("int8_inference"), bytes.data(), byte_filters),
                    speed(table.find("ternary8_inference<1>"), bytes.data(), ternary_filters));
    }
}

} // namespace quickstart
