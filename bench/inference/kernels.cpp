// SPDX-License-Identifier: Apache-2.0

// The only unit that instantiates the integer kernels of the benchmark.

#include "intaglio/infer/product_kernels.hpp"

template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;
