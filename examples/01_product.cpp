// SPDX-License-Identifier: Apache-2.0

// The first product: unsigned 8-bit activations times signed 8-bit weights with one scale per output channel; bias and
// ReLU on the way to memory.

#include <cstdint>
#include <cstdio>

#include "intaglio/gemm/gemm.hpp"

int main() {
    using namespace intaglio;
    const std::uint8_t activations[] = {10, 20, 30, 40, // two inputs of four features, one step is 0.1
                                        40, 30, 20, 10};
    const std::int8_t weights[] = {10,  20, 30,  40, // three output channels, a row for each
                                   -40, 30, -20, 10, 1, -2, 3, -4};
    const float weight_scales[] = {0.01F, 0.02F, 0.5F};
    const float offsets[] = {0.0F, 1.0F, 40.0F};

    const auto packed = pack_rhs<int8_inference>({matrix_view(weights, 3, 4).transposed(), 1.0, weight_scales}); // once
    float out[2 * 3];
    gemm<int8_inference>({matrix_view(activations, 2, 4), 0.1}, packed, matrix_view(out, 2, 3),
                         epilogue{bias{offsets}, relu{}});

    for (int row = 0; row < 2; ++row)
        std::printf("%6.2f %6.2f %6.2f\n", out[3 * row], out[3 * row + 1], out[3 * row + 2]);
}

// Prints:
//     3.00   1.00  35.00
//     2.00   0.00  40.00
