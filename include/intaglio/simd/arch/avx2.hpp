// SPDX-License-Identifier: Apache-2.0
#pragma once

// AVX2 with FMA: 256-bit registers, sixteen of them.

#include <immintrin.h>

#include <cstring>

#include "intaglio/simd/arch/sse41.hpp"
#include "intaglio/simd/batch.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

namespace detail {
template <class T>
INTAGLIO_INLINE __m256i broadcast_dword_256(const T* p) {
    int word;
    std::memcpy(&word, p, sizeof word);
    return _mm256_set1_epi32(word);
}
INTAGLIO_INLINE __m256i load_256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
INTAGLIO_INLINE void store_256(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
} // namespace detail

/// What the integer atoms of this width have in common, 1 x 8 x (4 / size): a dword of lhs in every lane, a register of
/// rhs, int32 sums.
template <class Lhs, class Rhs>
struct avx2_integers {
    static constexpr int m = 1, n = 8, k = 4 / static_cast<int>(sizeof(Lhs));
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = std::int32_t;
    using accumulator = __m256i;
    using lhs_fragment = __m256i;
    using rhs_fragment = __m256i;

    static INTAGLIO_INLINE accumulator zero() { return _mm256_setzero_si256(); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) { return detail::broadcast_dword_256(row); }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return detail::load_256(panel); }
    static INTAGLIO_INLINE void load(accumulator& c, const lane* in, dim_t) { c = detail::load_256(in); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) { detail::store_256(out, c); }
    static INTAGLIO_INLINE void carry(accumulator& c, const lane* from, lane* high, dim_t) {
        carry_lanes<__v8si>(c, from, high);
    }
};

/// int16 pairs into int32, 1 x 8 x 2: vpmaddwd + vpaddd.
struct avx2_s16 : avx2_integers<std::int16_t, std::int16_t> {
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm256_add_epi32(c, _mm256_madd_epi16(l, r));
    }
    static INTAGLIO_INLINE void add_squares(accumulator& squares, rhs_fragment r) {
        const __m256i part = _mm256_srai_epi16(r, 4);
        squares = _mm256_add_epi32(squares, _mm256_madd_epi16(part, part));
    }
};

/// u8 x small signed codes into int16, 1 x 8 x 4: vpmaddubsw + vpaddw, two int16 sums for each output.
struct avx2_u8_codes : avx2_integers<std::uint8_t, std::int8_t> {
    static constexpr int partial_sums = 2;
    static void load(accumulator&, const lane*, dim_t) = delete; // two int16 sums are no int32 that could go on
    static void carry(accumulator&, const lane*, lane*, dim_t) = delete;

    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm256_add_epi16(c, _mm256_maddubs_epi16(l, r));
    }
    static INTAGLIO_INLINE accumulator add(accumulator a, accumulator b) { return _mm256_add_epi16(a, b); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) {
        detail::store_256(out, _mm256_madd_epi16(c, _mm256_set1_epi16(1)));
    }
    using scale_fragment = __m256i;
    static INTAGLIO_INLINE scale_fragment load_scales(const std::uint8_t* scales) {
        long long bytes;
        std::memcpy(&bytes, scales, sizeof bytes);
        return _mm256_shuffle_epi8(_mm256_set1_epi64x(bytes),
                                   _mm256_setr_epi8(0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1, //
                                                    4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1));
    }
    using totals = vector<std::int32_t, n>;
    static INTAGLIO_INLINE totals multiply_add(totals total, accumulator c, scale_fragment scales) {
        return total + reinterpret_cast<totals>(_mm256_madd_epi16(c, scales));
    }
};

float_atom atom_of(arch::avx2, product<float, float, float>);
avx2_s16 atom_of(arch::avx2, product<std::int16_t, std::int16_t, std::int32_t>);
avx2_u8_codes atom_of(arch::avx2, product<std::uint8_t, std::int8_t, std::int16_t>);
tile_shape<6, 2> tile_of(arch::avx2, product<float, float, float>);
tile_shape<6, 2> tile_of(arch::avx2, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<6, 2> tile_of(arch::avx2, product<std::uint8_t, std::int8_t, std::int16_t>);

} // namespace intaglio::inline INTAGLIO_ABI::simd
