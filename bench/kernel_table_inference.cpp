// SPDX-License-Identifier: Apache-2.0

// The kernels of inference on 8-bit activations: 8-bit and ternary weights.
// Compiled once for each arch (kernel_table.hpp).

#include "kernel_operations.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

static constexpr kernel inference_kernels[] = {
    products_and_forward<int8_inference, raw | real | fused>("int8_inference"),
    products_and_forward<int8_signed, raw, raw>("int8_signed"),
    products_and_forward<int7_inference, raw | real, real>("int7_inference"),
    products_and_forward<ternary8_inference<1>>("ternary8_inference<1>"),
    products_and_forward<ternary8_inference<2>, raw | real, real>("ternary8_inference<2>"),
    products_and_forward<ternary8_inference<3>, raw | real, raw>("ternary8_inference<3>"),
    products_and_forward<ternary8_locked<2>>("ternary8_locked<2>"),
    products_and_forward<ternary8_locked<3>>("ternary8_locked<3>"),
};

extern const kernel_list inference;
constinit const kernel_list inference = list_of(inference_kernels);

} // namespace kernel_tables::INTAGLIO_ARCH
