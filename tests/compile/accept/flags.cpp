// SPDX-License-Identifier: Apache-2.0
// flags: -fno-math-errno -fno-trapping-math
// flags: -frounding-math
// flags: -fno-rtti
// flags: -O3 -ffp-contract=fast
// flags of clang: -ffp-model=strict
//
// Flags that change no result, or only what docs/conditions.md says.

#include "intaglio/gemm/gemm.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/train/plan.hpp"
#include "intaglio/train/sgd.hpp"
