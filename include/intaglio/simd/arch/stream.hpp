// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stores that pass the caches by: for an output that they can't hold anyway, half the traffic, since no line is read
// before it is written. Where an instruction set has none, plain stores.

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// Stores v at p, which is aligned to its size.
template <class Vector>
INTAGLIO_INLINE void stream_vector(float* p, Vector v) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Vector) == 64) return _mm512_stream_ps(p, reinterpret_cast<__m512>(v));
#endif
#if defined(__AVX__)
    if constexpr (sizeof(Vector) == 32) return _mm256_stream_ps(p, reinterpret_cast<__m256>(v));
#endif
#if defined(__SSE__)
    if constexpr (sizeof(Vector) == 16) return _mm_stream_ps(p, reinterpret_cast<__m128>(v));
#endif
    store_vector(p, v);
}

/// Orders streamed stores before all that follow, such as the word to another thread that a task is done.
INTAGLIO_INLINE void end_streams() {
#if defined(__SSE__)
    _mm_sfence();
#endif
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
