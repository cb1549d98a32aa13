// SPDX-License-Identifier: Apache-2.0

// See first_unit.cpp. ENTRY is the name of this unit's one function.

#include "intaglio/intaglio.hpp"
#include "intaglio/io.hpp"

namespace intaglio::inline INTAGLIO_ABI {
/// An inline function that differs from one arch to the next, as kernels do.
inline const char* arch_of_this_unit() { return simd::native_arch::name; }
} // namespace intaglio::inline INTAGLIO_ABI

const char* ENTRY();
const char* ENTRY() { return intaglio::arch_of_this_unit(); }
