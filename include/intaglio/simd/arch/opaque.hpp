// SPDX-License-Identifier: Apache-2.0
#pragma once

// A barrier for the compiler, no instruction of any machine.

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// The same pointer, as one whose target the compiler does not know: values stay in the memory where they were put.
template <class T>
INTAGLIO_INLINE T* opaque(T* p) {
    asm("" : "+r"(p) : : "memory");
    return p;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
