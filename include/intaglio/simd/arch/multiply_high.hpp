// SPDX-License-Identifier: Apache-2.0
#pragma once

// The high halves of products of 16-bit numbers without a sign, on vectors of them. (The compiler's generic vectors
// have no such operation, and GCC 12 finds it in a loop over their elements only at its preferred width.)

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <cstdint>

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

#if defined(__SSE2__)
INTAGLIO_INLINE vector<std::uint16_t, 8> multiply_high(vector<std::uint16_t, 8> a, vector<std::uint16_t, 8> b) {
    return reinterpret_cast<vector<std::uint16_t, 8>>(
        _mm_mulhi_epu16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
#if defined(__AVX2__)
INTAGLIO_INLINE vector<std::uint16_t, 16> multiply_high(vector<std::uint16_t, 16> a, vector<std::uint16_t, 16> b) {
    return reinterpret_cast<vector<std::uint16_t, 16>>(
        _mm256_mulhi_epu16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
#endif
#if defined(__AVX512BW__)
INTAGLIO_INLINE vector<std::uint16_t, 32> multiply_high(vector<std::uint16_t, 32> a, vector<std::uint16_t, 32> b) {
    return reinterpret_cast<vector<std::uint16_t, 32>>(
        _mm512_mulhi_epu16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#endif
#else
INTAGLIO_INLINE vector<std::uint16_t, 8> multiply_high(vector<std::uint16_t, 8> a, vector<std::uint16_t, 8> b) {
    using wide = vector<std::uint32_t, 8>;
    return __builtin_convertvector(__builtin_convertvector(a, wide) * __builtin_convertvector(b, wide) >> 16,
                                   vector<std::uint16_t, 8>);
}
#endif

/// Elements of the widest vector that multiply_high takes.
#if defined(__AVX512BW__)
inline constexpr int widest_words = 32;
#elif defined(__AVX2__)
inline constexpr int widest_words = 16;
#else
inline constexpr int widest_words = 8;
#endif

} // namespace intaglio::inline INTAGLIO_ABI::simd
