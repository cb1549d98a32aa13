// SPDX-License-Identifier: Apache-2.0
//
// expect: quantized_view: numbers are stored as integers of 8 or 16 bits or as std::int32_t; use one of them

#include <cstdint>

#include "intaglio/gemm/epilogue.hpp"

intaglio::quantized_view<std::int64_t> out;
