// SPDX-License-Identifier: Apache-2.0

// A translation unit that is compiled with -ffp-contract=fast (contracted_unit.cpp) tells so, and one beside it that is
// not does not. Exits with 77, skipped, where this machine has no fused multiply-add.

#include <cstdio>

#include "intaglio/core/contraction.hpp"
#include "intaglio/simd/dispatch.hpp"

bool unit_contracts();

int main() {
    if (!intaglio::simd::cpu_supports("avx2") && !intaglio::simd::cpu_supports("neon")) {
        std::puts("skipped: no fused multiply-add");
        return 77;
    }
    return unit_contracts() && !intaglio::contracts() ? 0 : 1;
}
