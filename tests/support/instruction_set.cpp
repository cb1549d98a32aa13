// SPDX-License-Identifier: Apache-2.0

// instruction_set NAME: whether the exactness suites of this build run NAME's kernels here. Passes if they do, is
// skipped (77) with the reason where the CPU lacks the instructions, and fails if the build left out kernels that would
// run or the two ways to ask the CPU disagree.

#include <cstdio>
#include <string>

#include "intaglio/simd/dispatch.hpp"
#include "kernel_table.hpp"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::string name = argv[1];
    const std::string lacks(intaglio::simd::cpu_lacks(name));
    const kernel_tables::arch_table* table = kernel_tables::find_arch(name.c_str());
    if (!table || !table->built) {
        if (!lacks.empty()) {
            std::printf("skipped: %s; its kernels are only compiled\n", lacks.c_str());
            return 77;
        }
        std::printf("no kernels of %s in this build\n", name.c_str());
        return 1;
    }
    if (table->runs_here != lacks.empty()) {
        std::printf("kernel table: %s, dispatch: %s\n", table->runs_here ? "runs here" : "does not run here",
                    lacks.c_str());
        return 1;
    }
    if (!lacks.empty()) {
        std::printf("skipped: %s\n", lacks.c_str());
        return 77;
    }
    std::printf("%s runs here\n", name.c_str());
    return 0;
}
