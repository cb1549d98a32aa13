// SPDX-License-Identifier: Apache-2.0
// flags: -ffast-math
// flags: -O2 -ffast-math
// flags: -ffinite-math-only
// flags: -funsafe-math-optimizations
// flags: -fassociative-math -fno-signed-zeros -fno-trapping-math
// flags: -freciprocal-math
// flags: -fno-signed-zeros
// flags: -Ofast
// flags of clang: -ffp-model=fast
// flags of clang: -fapprox-func
// expect: Intaglio: results rest on IEEE arithmetic; compile without -ffast-math

#include "intaglio/core/config.hpp"
