// SPDX-License-Identifier: Apache-2.0
#pragma once

// Barriers for the compiler, no instructions of any machine.

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// The same value, in a vector register and of unknown origin.
template <class Register>
INTAGLIO_INLINE void hold(Register& v) {
#if defined(__x86_64__)
    asm volatile("" : "+v"(v));
#elif defined(__aarch64__)
    asm volatile("" : "+w"(v));
#else
    static_cast<void>(v);
#endif
}

/// The same pointer, as one of which the compiler does not know what it was.
template <class T>
INTAGLIO_INLINE T* opaque(T* p) {
    asm("" : "+r"(p));
    return p;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
