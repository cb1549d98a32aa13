// SPDX-License-Identifier: Apache-2.0
#pragma once

// SSE4.1: 128-bit registers, sixteen of them.

#include <smmintrin.h>

#include <cstring>

#include "intaglio/simd/atom.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

namespace detail {
template <class T>
INTAGLIO_INLINE __m128i broadcast_dword_128(const T* p) {
    int word;
    std::memcpy(&word, p, sizeof word);
    return _mm_set1_epi32(word);
}
INTAGLIO_INLINE __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
INTAGLIO_INLINE void store_128(void* p, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(p), v); }
} // namespace detail

/// What the integer atoms of this width have in common, 1 x 4 x (4 / size): a dword of lhs in every lane, a register of
/// rhs, int32 sums.
template <class Lhs, class Rhs>
struct sse41_integers {
    static constexpr int m = 1, n = 4, k = 4 / static_cast<int>(sizeof(Lhs));
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = std::int32_t;
    using accumulator = __m128i;
    using lhs_fragment = __m128i;
    using rhs_fragment = __m128i;

    static INTAGLIO_INLINE accumulator zero() { return _mm_setzero_si128(); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) { return detail::broadcast_dword_128(row); }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return detail::load_128(panel); }
    static INTAGLIO_INLINE void load(accumulator& c, const lane* in, dim_t) { c = detail::load_128(in); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) { detail::store_128(out, c); }
    static INTAGLIO_INLINE void carry(accumulator& c, const lane* from, lane* high, dim_t) {
        carry_lanes<__v4si>(c, from, high);
    }
};

/// int16 pairs into int32, 1 x 4 x 2: pmaddwd + paddd.
struct sse41_s16 : sse41_integers<std::int16_t, std::int16_t> {
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm_add_epi32(c, _mm_madd_epi16(l, r));
    }
    /// squares += (v >> 4)^2, summed over pairs: what the proof of chains measures.
    static INTAGLIO_INLINE void add_squares(accumulator& squares, rhs_fragment r) {
        const __m128i part = _mm_srai_epi16(r, 4);
        squares = _mm_add_epi32(squares, _mm_madd_epi16(part, part));
    }
};

/// u8 x small signed codes into int16, 1 x 4 x 4: pmaddubsw + paddw, two int16 sums for each output. Exact while each
/// pair's sum fits int16 (a policy's chain law).
struct sse41_u8_codes : sse41_integers<std::uint8_t, std::int8_t> {
    static constexpr int partial_sums = 2;
    static void load(accumulator&, const lane*, dim_t) = delete; // two int16 sums are no int32 that could go on
    static void carry(accumulator&, const lane*, lane*, dim_t) = delete;

    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm_add_epi16(c, _mm_maddubs_epi16(l, r));
    }
    static INTAGLIO_INLINE accumulator add(accumulator a, accumulator b) { return _mm_add_epi16(a, b); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) {
        detail::store_128(out, _mm_madd_epi16(c, _mm_set1_epi16(1)));
    }
    /// Each scale twice, for both int16 sums of an output.
    using scale_fragment = __m128i;
    static INTAGLIO_INLINE scale_fragment load_scales(const std::uint8_t* scales) {
        int bytes;
        std::memcpy(&bytes, scales, sizeof bytes);
        return _mm_shuffle_epi8(_mm_cvtsi32_si128(bytes),
                                _mm_setr_epi8(0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1));
    }
    /// total + (both int16 sums) * scale: the widening multiply-add takes the scale for nothing.
    using totals = vector<std::int32_t, n>;
    static INTAGLIO_INLINE totals multiply_add(totals total, accumulator c, scale_fragment scales) {
        return total + reinterpret_cast<totals>(_mm_madd_epi16(c, scales));
    }
};

sse41_s16 atom_of(arch::sse41, product<std::int16_t, std::int16_t, std::int32_t>);
sse41_u8_codes atom_of(arch::sse41, product<std::uint8_t, std::int8_t, std::int16_t>);
tile_shape<4, 2> tile_of(arch::sse41, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<4, 2> tile_of(arch::sse41, product<std::uint8_t, std::int8_t, std::int16_t>);

} // namespace intaglio::inline INTAGLIO_ABI::simd
