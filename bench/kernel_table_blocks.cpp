// SPDX-License-Identifier: Apache-2.0

// The kernels of the other formats that the same text gives: other ternary blocks, blocks of INT4 and INT16, INT32
// mantissas. Compiled once for each arch (kernel_table.hpp).

#include "kernel_operations.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

static constexpr kernel blocks_kernels[] = {
    products<ternary8_inference<1, 16>, raw>("ternary8_inference<1,16>"),
    products_and_forward<ternary8_inference<2, 16>, raw>("ternary8_inference<2,16>"),
    products<ternary8_inference<1, 65536>, raw>("ternary8_inference<1,all>"),
    products<dfp16_dial<1>>("dfp16_dial<1>"),
    products<dfp16_dial<3>>("dfp16_dial<3>"),
    products_and_forward<int4_blocks>("int4_blocks"),
    products<int16_blocks>("int16_blocks"),
    products_and_forward<int32_mantissas>("int32_mantissas"),
};

extern const kernel_list blocks;
constinit const kernel_list blocks = list_of(blocks_kernels);

} // namespace kernel_tables::INTAGLIO_ARCH
