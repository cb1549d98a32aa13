// SPDX-License-Identifier: Apache-2.0
#pragma once

// Vectors of floats on their way to small integers: rounded to nearest even, as the thread's mode is
// (core/float_environment.hpp), and saturated to T's range, symmetric where T is signed; a NaN becomes the least value.

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "intaglio/simd/arch/extremes.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// Stores the codes of v at `to`. (The sum with 1.5 * 2^23 rounds, and its low bits are the integer. From the scalar
/// text the compiler makes ten operations on masks for each.)
template <class T, class Floats>
INTAGLIO_INLINE void store_codes(Floats v, T* to) {
    constexpr float high = std::numeric_limits<T>::max(), low = std::is_signed_v<T> ? -high : 0.0F, magic = 12582912.0F;
    using ints = vector<std::int32_t, sizeof(Floats) / sizeof(float)>;
    const Floats inside = minimum(maximum(v, Floats{} + low), Floats{} + high);
    store_vector(to, narrow<T>(std::bit_cast<ints>(inside + magic) - std::bit_cast<std::int32_t>(magic)));
}

namespace detail {

/// How vectors of `Bytes` become integers, rounded and packed with saturation, which works within 128 bits: the order
/// of the outcome is put right at the end. What does not fit becomes the least integer, and so does a NaN.
template <int Bytes>
struct pack_instructions {
    static constexpr bool known = false;
};
#if defined(__SSE4_1__)
template <>
struct pack_instructions<16> {
    static constexpr bool known = true;
    static __m128i round(__m128 v) { return _mm_cvtps_epi32(v); }
    static __m128i words(__m128i a, __m128i b) { return _mm_packs_epi32(a, b); }
    static __m128i at_least(__m128i v, std::int8_t least) { return _mm_max_epi8(v, _mm_set1_epi8(least)); }
    static __m128i at_least(__m128i v, std::int16_t least) { return _mm_max_epi16(v, _mm_set1_epi16(least)); }
    static __m128i signed_bytes(__m128i v) { return _mm_packs_epi16(v, v); }
    static __m128i unsigned_bytes(__m128i v) { return _mm_packus_epi16(v, v); }
    static vector<std::int16_t, 8> in_order(__m128i v, std::int16_t) {
        return std::bit_cast<vector<std::int16_t, 8>>(v);
    }
    template <class T>
    static vector<T, 8> in_order(__m128i v, T) {
        return std::bit_cast<vector<T, 8>>(_mm_cvtsi128_si64(v));
    }
};
#endif
#if defined(__AVX2__)
template <>
struct pack_instructions<32> {
    static constexpr bool known = true;
    static __m256i round(__m256 v) { return _mm256_cvtps_epi32(v); }
    static __m256i words(__m256i a, __m256i b) { return _mm256_packs_epi32(a, b); }
    static __m256i at_least(__m256i v, std::int8_t least) { return _mm256_max_epi8(v, _mm256_set1_epi8(least)); }
    static __m256i at_least(__m256i v, std::int16_t least) { return _mm256_max_epi16(v, _mm256_set1_epi16(least)); }
    static __m256i signed_bytes(__m256i v) { return _mm256_packs_epi16(v, v); }
    static __m256i unsigned_bytes(__m256i v) { return _mm256_packus_epi16(v, v); }
    static vector<std::int16_t, 16> in_order(__m256i v, std::int16_t) {
        return std::bit_cast<vector<std::int16_t, 16>>(_mm256_permute4x64_epi64(v, 0b11'01'10'00));
    }
    template <class T>
    static vector<T, 16> in_order(__m256i v, T) {
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
        return std::bit_cast<vector<T, 16>>(_mm256_castsi256_si128(_mm256_permutevar8x32_epi32(v, order)));
    }
};
#endif
#if defined(__AVX512BW__)
template <>
struct pack_instructions<64> {
    static constexpr bool known = true;
    static __m512i round(__m512 v) { return _mm512_maskz_cvtps_epi32(0xFFFF, v); }
    static __m512i words(__m512i a, __m512i b) { return _mm512_packs_epi32(a, b); }
    static __m512i at_least(__m512i v, std::int8_t least) { return _mm512_max_epi8(v, _mm512_set1_epi8(least)); }
    static __m512i at_least(__m512i v, std::int16_t least) { return _mm512_max_epi16(v, _mm512_set1_epi16(least)); }
    static __m512i signed_bytes(__m512i v) { return _mm512_packs_epi16(v, v); }
    static __m512i unsigned_bytes(__m512i v) { return _mm512_packus_epi16(v, v); }
    static vector<std::int16_t, 32> in_order(__m512i v, std::int16_t) {
        const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        return std::bit_cast<vector<std::int16_t, 32>>(_mm512_maskz_permutexvar_epi64(0xFF, order, v));
    }
    template <class T>
    static vector<T, 32> in_order(__m512i v, T) {
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
        const auto all = std::bit_cast<vector<std::int32_t, 16>>(_mm512_maskz_permutexvar_epi32(0xFFFF, order, v));
        return std::bit_cast<vector<T, 32>>(__builtin_shufflevector(all, all, 0, 1, 2, 3, 4, 5, 6, 7)); // the low half
    }
};
#endif

} // namespace detail

/// Stores the codes of two neighbouring vectors at `to`.
template <class T, class Floats>
INTAGLIO_INLINE void store_codes(Floats a, Floats b, T* to) {
    using pack = detail::pack_instructions<sizeof(Floats)>;
    if constexpr (pack::known && (sizeof(T) == 1 || std::is_same_v<T, std::int16_t>)) {
        constexpr float beyond = 0x1p30F; // of any T, and below what would become the least
        const auto round = [](Floats v) __attribute__((always_inline)) {
            return pack::round(minimum(Floats{} + beyond, v));
        };
        auto codes = pack::words(round(a), round(b));
        if constexpr (std::is_same_v<T, std::int8_t>) codes = pack::signed_bytes(codes);
        if constexpr (std::is_same_v<T, std::uint8_t>) codes = pack::unsigned_bytes(codes);
        if constexpr (std::is_signed_v<T>)
            codes = pack::at_least(codes, static_cast<T>(-std::numeric_limits<T>::max()));
        store_vector(to, pack::in_order(codes, T{}));
    } else {
        store_codes(a, to);
        store_codes(b, to + sizeof(Floats) / sizeof(float));
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
