// SPDX-License-Identifier: Apache-2.0
#pragma once

// The larger and the smaller of two, element by element, of vectors of floats (simd/vector.hpp).

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// a > b ? a : b, and a < b ? a : b: of each float, b where one is NaN or both are zeros. (GCC 12 compares and blends
/// where x86 has this as one instruction, and warns of its own header unless AVX-512's is masked.)
template <class Floats>
INTAGLIO_INLINE Floats maximum(Floats a, Floats b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Floats) == 64) return _mm512_maskz_max_ps(0xFFFF, a, b);
#endif
#if defined(__AVX__)
    if constexpr (sizeof(Floats) == 32) return _mm256_max_ps(a, b);
#endif
#if defined(__SSE2__)
    if constexpr (sizeof(Floats) == 16) return _mm_max_ps(a, b);
#endif
    return a > b ? a : b;
}
template <class Floats>
INTAGLIO_INLINE Floats minimum(Floats a, Floats b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Floats) == 64) return _mm512_maskz_min_ps(0xFFFF, a, b);
#endif
#if defined(__AVX__)
    if constexpr (sizeof(Floats) == 32) return _mm256_min_ps(a, b);
#endif
#if defined(__SSE2__)
    if constexpr (sizeof(Floats) == 16) return _mm_min_ps(a, b);
#endif
    return a < b ? a : b;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
