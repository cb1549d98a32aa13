// SPDX-License-Identifier: Apache-2.0
#pragma once

// a * b + c rounded once, on vectors of floats, where that is one instruction. (The compiler's generic vectors have no
// such operation, and a * b + c is not contracted, so that results have the same bits everywhere.)

#if defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

#if defined(__FMA__)
inline constexpr bool fuses = true;
INTAGLIO_INLINE vector<float, 4> fused(vector<float, 4> a, vector<float, 4> b, vector<float, 4> c) {
    return _mm_fmadd_ps(a, b, c);
}
INTAGLIO_INLINE vector<float, 8> fused(vector<float, 8> a, vector<float, 8> b, vector<float, 8> c) {
    return _mm256_fmadd_ps(a, b, c);
}
#if defined(__AVX512F__)
INTAGLIO_INLINE vector<float, 16> fused(vector<float, 16> a, vector<float, 16> b, vector<float, 16> c) {
    return _mm512_fmadd_ps(a, b, c);
}
#endif
#elif defined(__aarch64__)
inline constexpr bool fuses = true;
INTAGLIO_INLINE vector<float, 4> fused(vector<float, 4> a, vector<float, 4> b, vector<float, 4> c) {
    return vfmaq_f32(c, a, b);
}
#else
inline constexpr bool fuses = false;
template <class V>
void fused(V a, V b, V c) = delete;
#endif

} // namespace intaglio::inline INTAGLIO_ABI::simd
