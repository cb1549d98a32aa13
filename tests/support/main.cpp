// SPDX-License-Identifier: Apache-2.0

// The main function of every test program, compiled once: Catch2's own, preceded by the one line that tells which arch
// the program was compiled for, and by a clean exit (77, which Meson counts as skipped) where this CPU can't run it.
// Compiled without flags of any arch. Cases tagged [slow] run if they are asked for or if the environment has
// INTAGLIO_TEST_ALL.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include "intaglio/simd/dispatch.hpp"

/// Defined in support/compiled_for.cpp, which has the flags of the tests.
extern const char* const compiled_for;

int main(int argc, char** argv) {
    std::printf("compiled for %s\n", compiled_for);
    const std::string lacks(intaglio::simd::cpu_lacks(compiled_for));
    if (!lacks.empty()) {
        std::printf("skipped: %s\n", lacks.c_str());
        return 77;
    }
    std::vector<const char*> arguments(argv, argv + argc);
    if (argc == 1 && std::getenv("INTAGLIO_TEST_ALL") == nullptr) arguments.push_back("~[slow]");
    const int failures = Catch::Session().run(static_cast<int>(arguments.size()), arguments.data());
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
