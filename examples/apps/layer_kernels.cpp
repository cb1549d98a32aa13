// SPDX-License-Identifier: Apache-2.0

// The kernels whose speed the quickstart prints, compiled once for each instruction set: a part of the table of
// bench/kernel_table.hpp, so that it takes seconds to compile.

#include "kernel_operations.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

static constexpr kernel training_kernels[] = {
    products<fp32, real>("fp32"),
    products<dfp16_training, real>("dfp16_training"),
};
static constexpr kernel inference_kernels[] = {
    products<int8_inference, real>("int8_inference"),
    products<ternary8_inference<1>, real>("ternary8_inference<1>"),
};

extern const kernel_list training, inference;
constinit const kernel_list training = list_of(training_kernels), inference = list_of(inference_kernels);

} // namespace kernel_tables::INTAGLIO_ARCH
