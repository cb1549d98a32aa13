// SPDX-License-Identifier: Apache-2.0
#pragma once

// SSE4.1: 128-bit registers, sixteen of them.

#include <smmintrin.h>

#include <cstring>

#include "intaglio/simd/atom.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// int16 pairs into int32, 1 x 4 x 2: pmaddwd + paddd.
struct sse41_s16 {
    static constexpr int m = 1, n = 4, k = 2;
    using lhs = std::int16_t;
    using rhs = std::int16_t;
    using lane = std::int32_t;
    using accumulator = __m128i;
    using lhs_fragment = __m128i;
    using rhs_fragment = __m128i;

    static INTAGLIO_INLINE accumulator zero() { return _mm_setzero_si128(); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, index) {
        int pair;
        std::memcpy(&pair, row, sizeof pair);
        return _mm_set1_epi32(pair);
    }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(panel)); }
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) { c = _mm_add_epi32(c, _mm_madd_epi16(l, r)); }
    /// Sums over the columns' pairs: squares of |v| / 8 and magnitudes; and the largest magnitudes, lane by lane (-32768 counts as 32768).
    static INTAGLIO_INLINE void add_norms(accumulator& squares, accumulator& l1, accumulator& largest, rhs_fragment r) {
        const __m128i magnitude = _mm_abs_epi16(r), eighth = _mm_srli_epi16(magnitude, 3);
        squares = _mm_add_epi32(squares, _mm_madd_epi16(eighth, eighth));
        l1 = _mm_add_epi32(l1, _mm_madd_epi16(magnitude, _mm_set1_epi16(1)));
        largest = _mm_max_epu16(largest, magnitude);
    }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, index) { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), c); }
};

/// u8 x small signed codes into int16, 1 x 4 x 4: pmaddubsw + paddw, two int16 sums for each output. Exact while each pair's sum fits int16 (a policy's chain law).
struct sse41_u8_codes {
    static constexpr int m = 1, n = 4, k = 4;
    using lhs = std::uint8_t;
    using rhs = std::int8_t;
    using lane = std::int32_t;
    using accumulator = __m128i;
    using lhs_fragment = __m128i;
    using rhs_fragment = __m128i;
    static constexpr bool scale_pair = true; ///< scales come twice, for both int16 sums of an output

    static INTAGLIO_INLINE accumulator zero() { return _mm_setzero_si128(); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, index) {
        int quad;
        std::memcpy(&quad, row, sizeof quad);
        return _mm_set1_epi32(quad);
    }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(panel)); }
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) { c = _mm_add_epi16(c, _mm_maddubs_epi16(l, r)); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, index) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_madd_epi16(c, _mm_set1_epi16(1)));
    }
    static INTAGLIO_INLINE void store_raw(accumulator c, lane* out) { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), c); }
    /// out += (both int16 sums) * scale: the widening multiply-add takes the scale for nothing.
    static INTAGLIO_INLINE void multiply_add(const lane* sums, const std::int16_t* scales, lane* out) {
        const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sums));
        const __m128i sum = _mm_madd_epi16(c, _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
        auto* o = reinterpret_cast<__m128i*>(out);
        _mm_storeu_si128(o, _mm_add_epi32(_mm_loadu_si128(o), sum));
    }
};

sse41_s16 atom_of(arch::sse41, product<std::int16_t, std::int16_t, std::int32_t>);
sse41_u8_codes atom_of(arch::sse41, product<std::uint8_t, std::int8_t, std::int16_t>);
tile_shape<4, 2> tile_of(arch::sse41, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<4, 2> tile_of(arch::sse41, product<std::uint8_t, std::int8_t, std::int16_t>);

} // namespace intaglio::inline INTAGLIO_ABI::simd
