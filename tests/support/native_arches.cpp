// SPDX-License-Identifier: Apache-2.0

// Prints the instruction sets that this CPU runs, one a line, the least preferred first. Meson runs it when it
// configures the tests.

#include <cstdio>

#include "intaglio/simd/dispatch.hpp"

int main() {
    for (const auto arch : intaglio::simd::arch_order)
        if (intaglio::simd::cpu_supports(arch)) std::printf("%.*s\n", static_cast<int>(arch.size()), arch.data());
}
