// SPDX-License-Identifier: Apache-2.0

// Four products of unsigned and signed bytes. Where a CPU has no dot product of bytes, libraries for 8-bit inference
// sum pairs of products in 16 bits with an instruction that saturates (vpmaddubsw): 255 x 127 + 255 x 127 = 64,770
// becomes 32,767, and nobody is told. Here the sum is exact on every instruction set.

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "intaglio/gemm/gemm.hpp"

int main() {
    using namespace intaglio;
    const std::uint8_t activations[] = {255, 255, 255, 255};
    const std::int8_t weights[] = {127, 127, 127, 127};
    const float weight_scale[] = {1.0F};

    std::int32_t total[1];
    gemm<int8_inference>({matrix_view(activations, 1, 4)}, {matrix_view(weights, 4, 1), 1.0, weight_scale},
                         matrix_view(total, 1, 1));

    std::int32_t saturated = 0; // what pairs in 16 bits would give
    for (int i = 0; i < 4; i += 2)
        saturated += std::clamp(activations[i] * weights[i] + activations[i + 1] * weights[i + 1], -32768, 32767);

    std::printf("exact                %6d\n", total[0]);
    std::printf("pairs saturated      %6d\n", saturated);
    return total[0] == 4 * 255 * 127 ? 0 : 1;
}

// Prints:
//   exact                129540
//   pairs saturated       65534
