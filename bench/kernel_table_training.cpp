// SPDX-License-Identifier: Apache-2.0

// The kernels of training: FP32 and INT16 dynamic fixed point, in all passes.
// Compiled once for each arch (kernel_table.hpp).

#include "kernel_operations.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

static constexpr kernel training_kernels[] = {
    all_passes<fp32, raw | real | fused | variety, real | fused>("fp32"),
    all_passes<dfp16_training, raw | real | fused, raw | real | fused>("dfp16_training"),
    all_passes<dfp16_bytes>("dfp16_bytes"),
    all_passes<dfp16_planar>("dfp16_planar"),
};

extern const kernel_list training;
constinit const kernel_list training = list_of(training_kernels);

} // namespace kernel_tables::INTAGLIO_ARCH
