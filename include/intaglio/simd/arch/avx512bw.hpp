// SPDX-License-Identifier: Apache-2.0
#pragma once

// AVX-512 F, BW, DQ, VL: 512-bit registers, thirty-two of them.

#include "intaglio/simd/arch/avx2.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

namespace detail {
template <class T>
INTAGLIO_INLINE __m512i broadcast_dword_512(const T* p) {
    int word;
    std::memcpy(&word, p, sizeof word);
    return _mm512_set1_epi32(word);
}
/// Sixteen bytes as dwords. (With the intrinsics that have no mask GCC 12 warns of the register that they leave
/// undefined.)
INTAGLIO_INLINE __m512i widen_bytes_512(const std::uint8_t* p) {
    return _mm512_maskz_cvtepu8_epi32(0xffff, load_128(p));
}
INTAGLIO_INLINE __m512i load_512(const void* p) { return _mm512_loadu_si512(p); }
INTAGLIO_INLINE void store_512(void* p, __m512i v) { _mm512_storeu_si512(p, v); }
} // namespace detail

/// FP32, 1 x 16 x 1: vfmadd231ps.
struct avx512_float : float_atom {
    static INTAGLIO_INLINE void step(accumulator& c, const lhs_fragment& l, const rhs_fragment& r) {
        c = _mm512_fmadd_ps(l, r, c);
    }
};

/// What the integer atoms of this width have in common, 1 x 16 x (4 / size): a dword of lhs in every lane, a register
/// of rhs, int32 sums.
template <class Lhs, class Rhs>
struct avx512_integers {
    static constexpr int m = 1, n = 16, k = 4 / static_cast<int>(sizeof(Lhs));
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = std::int32_t;
    using accumulator = __m512i;
    using lhs_fragment = __m512i;
    using rhs_fragment = __m512i;

    static INTAGLIO_INLINE accumulator zero() { return _mm512_setzero_si512(); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) { return detail::broadcast_dword_512(row); }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return detail::load_512(panel); }
    static INTAGLIO_INLINE void load(accumulator& c, const lane* in, dim_t) { c = detail::load_512(in); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) { detail::store_512(out, c); }
    static INTAGLIO_INLINE void carry(accumulator& c, const lane* from, lane* high, dim_t) {
        carry_lanes<__v16si>(c, from, high);
    }
};

/// int16 pairs into int32, 1 x 16 x 2: vpmaddwd + vpaddd.
struct avx512_s16 : avx512_integers<std::int16_t, std::int16_t> {
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm512_add_epi32(c, _mm512_madd_epi16(l, r));
    }
    static INTAGLIO_INLINE void add_squares(accumulator& squares, rhs_fragment r) {
        const __m512i part = _mm512_srai_epi16(r, 4);
        squares = _mm512_add_epi32(squares, _mm512_madd_epi16(part, part));
    }
};

/// u8 x small signed codes into int16, 1 x 16 x 4: vpmaddubsw + vpaddw, two int16 sums for each output.
struct avx512_u8_codes : avx512_integers<std::uint8_t, std::int8_t> {
    static constexpr int partial_sums = 2;
    static void load(accumulator&, const lane*, dim_t) = delete; // two int16 sums are no int32 that could go on
    static void carry(accumulator&, const lane*, lane*, dim_t) = delete;

    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm512_add_epi16(c, _mm512_maddubs_epi16(l, r));
    }
    static INTAGLIO_INLINE accumulator add(accumulator a, accumulator b) { return _mm512_add_epi16(a, b); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) {
        detail::store_512(out, _mm512_madd_epi16(c, _mm512_set1_epi16(1)));
    }
    using scale_fragment = __m512i;
    static INTAGLIO_INLINE scale_fragment load_scales(const std::uint8_t* scales) {
        const __m512i once = detail::widen_bytes_512(scales);
        return _mm512_or_si512(once, _mm512_maskz_slli_epi32(0xffff, once, 16));
    }
    using totals = vector<std::int32_t, n>;
    static INTAGLIO_INLINE totals multiply_add(totals total, accumulator c, scale_fragment scales) {
        return total + reinterpret_cast<totals>(_mm512_madd_epi16(c, scales));
    }
};

avx512_float atom_of(arch::avx512bw, product<float, float, float>);
avx512_s16 atom_of(arch::avx512bw, product<std::int16_t, std::int16_t, std::int32_t>);
avx512_u8_codes atom_of(arch::avx512bw, product<std::uint8_t, std::int8_t, std::int16_t>);
tile_shape<14, 2> tile_of(arch::avx512bw, product<float, float, float>);
tile_shape<12, 2> tile_of(arch::avx512bw, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<12, 2> tile_of(arch::avx512bw, product<std::uint8_t, std::int8_t, std::int16_t>);

} // namespace intaglio::inline INTAGLIO_ABI::simd
