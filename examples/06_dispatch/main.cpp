// SPDX-License-Identifier: Apache-2.0

// One program for every CPU: it holds the same product compiled for several instruction sets and takes the best one
// that this CPU runs. Then it goes through all of them, to show that they give the same numbers. Try
// INTAGLIO_ARCH_LIMIT=sse41.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "arches.hpp" // FOR_EACH_ARCH(X), written by Meson
#include "intaglio/simd/dispatch.hpp"
#include "product.hpp"

#define DECLARE(arch)                                                                                                  \
    namespace products::arch {                                                                                         \
    extern const product_table table;                                                                                  \
    }
#define ENTRY(arch) {#arch, &products::arch::table},

FOR_EACH_ARCH(DECLARE)

int main() {
    namespace simd = intaglio::simd;
    static constexpr simd::arch_table<product_table> tables[] = {FOR_EACH_ARCH(ENTRY)};

    const std::ptrdiff_t m = 5, n = 7, k = 300;
    std::vector<std::uint8_t> lhs(static_cast<std::size_t>(m * k));
    std::vector<std::int8_t> rhs(static_cast<std::size_t>(k * n));
    for (std::size_t i = 0; i < lhs.size(); ++i) lhs[i] = static_cast<std::uint8_t>(i * 37);
    for (std::size_t i = 0; i < rhs.size(); ++i)
        rhs[i] = static_cast<std::int8_t>(static_cast<int>(i * 53 % 255) - 127);
    std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), out(expected.size());

    const auto& best = simd::best_entry<product_table>(tables);
    if (!best.table->multiply(lhs.data(), rhs.data(), expected.data(), m, n, k)) return EXIT_FAILURE;
    std::printf("best here: %s\n", std::string(best.arch).c_str());

    bool equal = true;
    for (const auto& [arch, table] : tables) {
        const std::string name(arch), lacks(simd::cpu_lacks(arch));
        if (!lacks.empty()) {
            std::printf("%-12s skipped: %s\n", name.c_str(), lacks.c_str());
            continue;
        }
        const bool done = table->multiply(lhs.data(), rhs.data(), out.data(), m, n, k);
        const bool same = done && out == expected;
        std::printf("%-12s %s\n", name.c_str(), same ? "equal" : "DIFFERENT");
        equal = equal && same;
    }
    return equal ? EXIT_SUCCESS : EXIT_FAILURE;
}
