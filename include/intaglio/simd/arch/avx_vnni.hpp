// SPDX-License-Identifier: Apache-2.0
#pragma once

// AVX-VNNI: dot products of int16 pairs and of byte quads, in the 256-bit registers of AVX2.

#include "intaglio/simd/arch/avx2.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// int16 pairs into int32, 1 x 8 x 2: vpdpwssd.
struct avx_vnni_s16 : avx2_s16 {
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm256_dpwssd_avx_epi32(c, l, r);
    }
    static INTAGLIO_INLINE accumulator add(accumulator a, accumulator b) { return _mm256_add_epi32(a, b); }
};

/// u8 x s8 into int32, 1 x 8 x 4: vpdpbusd.
struct avx_vnni_u8s8 : avx2_integers<std::uint8_t, std::int8_t> {
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) {
        c = _mm256_dpbusd_avx_epi32(c, l, r);
    }
    static INTAGLIO_INLINE accumulator add(accumulator a, accumulator b) { return _mm256_add_epi32(a, b); }

    /// Sums that fit int16 are, seen as int16 pairs, (sum, sign); with pairs (scale, 0) one vpdpwssd multiplies them
    /// and adds.
    static constexpr std::int32_t largest_scaled = 32767;
    using scale_fragment = __m256i;
    static INTAGLIO_INLINE scale_fragment load_scales(const std::uint8_t* scales) {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales)));
    }
    using totals = vector<std::int32_t, n>;
    static INTAGLIO_INLINE totals multiply_add(totals total, accumulator c, scale_fragment scales) {
        return reinterpret_cast<totals>(_mm256_dpwssd_avx_epi32(reinterpret_cast<__m256i>(total), c, scales));
    }
};

avx_vnni_s16 atom_of(arch::avx_vnni, product<std::int16_t, std::int16_t, std::int32_t>);
avx_vnni_u8s8 atom_of(arch::avx_vnni, product<std::uint8_t, std::int8_t, std::int32_t>);
tile_shape<6, 2> tile_of(arch::avx_vnni, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<6, 2> tile_of(arch::avx_vnni, product<std::uint8_t, std::int8_t, std::int32_t>);
constexpr bool multiplies_bytes(arch::avx_vnni) { return true; }

} // namespace intaglio::inline INTAGLIO_ABI::simd
