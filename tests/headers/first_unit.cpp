// SPDX-License-Identifier: Apache-2.0

// One of two translation units that include everything and are linked into one program, which fails if a header defines
// something that is neither inline nor a template. second_unit.cpp is compiled twice, for two arches: their inline
// functions must not replace each other's.

#include <cstdio>
#include <cstring>

#include "intaglio/intaglio.hpp"
#include "intaglio/io.hpp"

const char* second_unit_portable();
const char* second_unit_best();

namespace {
#define NAME_OF_(arch) #arch
#define NAME_OF(arch) NAME_OF_(arch)
const char* own_namespace() { return NAME_OF(INTAGLIO_ABI); }
} // namespace

int main() {
    std::printf("%s, %s, %s\n", own_namespace(), second_unit_portable(), second_unit_best());
    const bool distinct = std::strcmp(second_unit_portable(), EXPECTED_PORTABLE) == 0 &&
                          std::strcmp(second_unit_best(), EXPECTED_BEST) == 0;
    return distinct ? 0 : 1;
}
