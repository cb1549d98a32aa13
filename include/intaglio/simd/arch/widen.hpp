// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small integers as numbers of 32 or more bits, vector by vector. (GCC 12 takes the compiler's own conversion apart:
// element by element where elements grow fourfold or become floats, in halves where they grow twofold.)

#include <bit>
#include <cstdint>
#include <type_traits>

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

namespace detail {

#if defined(__SSE4_1__)
/// The elements of a vector in the low end of a register.
template <class Vector>
INTAGLIO_INLINE __m128i in_register(Vector v) {
    if constexpr (sizeof v == 4)
        return _mm_cvtsi32_si128(std::bit_cast<std::int32_t>(v));
    else if constexpr (sizeof v == 8)
        return _mm_cvtsi64_si128(std::bit_cast<std::int64_t>(v));
    else
        return std::bit_cast<__m128i>(v);
}
#endif

/// Integers of 8 or 16 bits as int32.
template <class T, int Lanes>
INTAGLIO_INLINE vector<std::int32_t, Lanes> to_int32(vector<T, Lanes> v) {
    [[maybe_unused]] constexpr bool is_signed = std::is_signed_v<T>;
    using ints = vector<std::int32_t, Lanes>;
#if defined(__AVX512F__)
    if constexpr (Lanes == 16 && sizeof(T) == 2) {
        const auto r = std::bit_cast<__m256i>(v);
        return std::bit_cast<ints>(is_signed ? _mm512_maskz_cvtepi16_epi32(0xFFFF, r)
                                             : _mm512_maskz_cvtepu16_epi32(0xFFFF, r));
    }
    if constexpr (Lanes == 16 && sizeof(T) == 1) {
        const auto r = in_register(v);
        return std::bit_cast<ints>(is_signed ? _mm512_maskz_cvtepi8_epi32(0xFFFF, r)
                                             : _mm512_maskz_cvtepu8_epi32(0xFFFF, r));
    }
#endif
#if defined(__AVX2__)
    if constexpr (Lanes == 8 && sizeof(T) == 2)
        return std::bit_cast<ints>(is_signed ? _mm256_cvtepi16_epi32(in_register(v))
                                             : _mm256_cvtepu16_epi32(in_register(v)));
    if constexpr (Lanes == 8 && sizeof(T) == 1)
        return std::bit_cast<ints>(is_signed ? _mm256_cvtepi8_epi32(in_register(v))
                                             : _mm256_cvtepu8_epi32(in_register(v)));
#endif
#if defined(__SSE4_1__)
    if constexpr (Lanes == 4 && sizeof(T) == 2)
        return std::bit_cast<ints>(is_signed ? _mm_cvtepi16_epi32(in_register(v)) : _mm_cvtepu16_epi32(in_register(v)));
    if constexpr (Lanes == 4 && sizeof(T) == 1)
        return std::bit_cast<ints>(is_signed ? _mm_cvtepi8_epi32(in_register(v)) : _mm_cvtepu8_epi32(in_register(v)));
#endif
    if constexpr (sizeof(T) == 1) // one doubling after the other
        return to_int32<std::int16_t, Lanes>(__builtin_convertvector(v, vector<std::int16_t, Lanes>));
    else
        return __builtin_convertvector(v, ints);
}

} // namespace detail

/// `Lanes` elements at p as another type.
template <class To, int Lanes, class T>
INTAGLIO_INLINE vector<To, Lanes> convert_vector(const T* p) {
    const auto v = load_vector<vector<T, Lanes>>(p);
    if constexpr (std::is_integral_v<T> && sizeof(T) < 4 && sizeof(To) >= 4) {
        const auto ints = detail::to_int32<T, Lanes>(v);
        if constexpr (std::is_same_v<To, std::int32_t>)
            return ints;
        else
            return __builtin_convertvector(ints, vector<To, Lanes>);
    } else {
        return __builtin_convertvector(v, vector<To, Lanes>);
    }
}
/// The elements at p as a vector of floats.
template <class Floats, class T>
INTAGLIO_INLINE Floats load_floats(const T* p) {
    return convert_vector<float, sizeof(Floats) / sizeof(float)>(p);
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
