// SPDX-License-Identifier: Apache-2.0

// A stage of one's own between the total and memory: any small value that can be called with a piece of a row. It
// composes with the stages of the library, here with max_magnitude, and costs no pass over the output.

#include <cstdint>
#include <cstdio>

#include "intaglio/gemm/gemm.hpp"

/// v = v, or slope * v below zero.
struct leaky_relu {
    float slope;
    void operator()(float* v, std::ptrdiff_t /*row*/, std::ptrdiff_t /*first column*/, std::ptrdiff_t count) const {
        for (std::ptrdiff_t e = 0; e < count; ++e) v[e] = v[e] > 0 ? v[e] : slope * v[e];
    }
};

int main() {
    using namespace intaglio;
    const float lhs[] = {1, 2, 3, 4};                // (2, 2)
    const float rhs[] = {1, -1, 0, 2, -5, 1, -6, 4}; // (2, 4)
    float out[2 * 4], largest = 0;
    gemm<fp32>({matrix_view(lhs, 2, 2)}, {matrix_view(rhs, 2, 4)}, matrix_view(out, 2, 4),
               epilogue{leaky_relu{0.25F}, max_magnitude{&largest}});

    for (int row = 0; row < 2; ++row) {
        for (int col = 0; col < 4; ++col) std::printf("%7.2f", static_cast<double>(out[4 * row + col]));
        std::printf("\n");
    }
    std::printf("largest magnitude %.2f\n", static_cast<double>(largest));
}

// Prints:
//     -2.25   1.00  -3.00  10.00
//     -4.25   1.00  -6.00  22.00
//   largest magnitude 22.00
