// SPDX-License-Identifier: Apache-2.0

// What is built with several versions of xsimd: the product that uses it. Prints the bits of the sums, which neither
// xsimd nor the flags change.

#include <bit>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/gemm/gemm.hpp"

int main() {
    using namespace intaglio;
    constexpr dim_t m = 5, n = 35, k = 67;
    std::vector<float> lhs, rhs, out(static_cast<std::size_t>(m * n));
    for (int i = 0; i < m * k; ++i) lhs.push_back(1.0F / static_cast<float>(3 + i));
    for (int i = 0; i < k * n; ++i) rhs.push_back(1.0F / static_cast<float>(7 + i % 101) - 0.03F);
    gemm<fp32>({matrix_view(lhs.data(), m, k)}, pack_rhs<fp32>({matrix_view(rhs.data(), k, n)}),
               matrix_view(out.data(), m, n));
    std::uint32_t hash = 2166136261U;
    for (const float value : out) hash = (hash ^ std::bit_cast<std::uint32_t>(value)) * 16777619U;
    std::printf("%a %a %08x\n", static_cast<double>(out[0]), static_cast<double>(out.back()),
                static_cast<unsigned>(hash));
}
