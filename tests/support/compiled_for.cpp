// SPDX-License-Identifier: Apache-2.0

// The name of the arch whose flags this test program has.

#include "intaglio/core/config.hpp"

#define NAME_OF_(arch) #arch
#define NAME_OF(arch) NAME_OF_(arch)

extern const char* const compiled_for;
const char* const compiled_for = NAME_OF(INTAGLIO_ARCH);
