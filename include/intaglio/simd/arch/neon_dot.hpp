// SPDX-License-Identifier: Apache-2.0
#pragma once

// The dot-product extension of AArch64 (FEAT_DotProd): four products of bytes into each int32, of equal signs only.

#include "intaglio/simd/arch/neon.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// s8 x s8 into int32, 1 x 4 x 4: sdot.
struct neon_dot_s8s8 {
    static constexpr int m = 1, n = 4, k = 4;
    using lhs = std::int8_t;
    using rhs = std::int8_t;
    using lane = std::int32_t;
    using accumulator = int32x4_t;
    using lhs_fragment = int8x16_t;
    using rhs_fragment = int8x16_t;

    static INTAGLIO_INLINE accumulator zero() { return vdupq_n_s32(0); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) {
        std::uint32_t quad;
        std::memcpy(&quad, row, sizeof quad);
        return vreinterpretq_s8_u32(vdupq_n_u32(quad));
    }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return vld1q_s8(panel); }
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, rhs_fragment r) { c = vdotq_s32(c, l, r); }
    static INTAGLIO_INLINE void load(accumulator& c, const lane* in, dim_t) { c = vld1q_s32(in); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) { vst1q_s32(out, c); }
};

/// u8 x s8 into int32, 1 x 4 x 4, as (u - 128) s + 128 s: sdot, and one addition of what all rows of the tile have in
/// common. (usdot of FEAT_I8MM needs neither, but is no part of this arch.)
struct neon_dot_u8s8 {
    static constexpr int m = 1, n = 4, k = 4;
    using lhs = std::uint8_t;
    using rhs = std::int8_t;
    using lane = std::int32_t;
    using accumulator = int32x4_t;
    using lhs_fragment = int8x16_t;
    struct rhs_fragment {
        int8x16_t codes;
        int32x4_t offset; ///< -128 times the sum of each column's four codes
    };

    static INTAGLIO_INLINE accumulator zero() { return vdupq_n_s32(0); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) {
        std::uint32_t quad;
        std::memcpy(&quad, row, sizeof quad);
        return vreinterpretq_s8_u32(vdupq_n_u32(quad ^ 0x80808080U)); // u - 128 as a signed byte
    }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) {
        const int8x16_t codes = vld1q_s8(panel);
        return {codes, vdotq_s32(vdupq_n_s32(0), codes, vdupq_n_s8(-128))};
    }
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, const rhs_fragment& r) {
        c = vdotq_s32(vsubq_s32(c, r.offset), l, r.codes);
    }
    static INTAGLIO_INLINE void load(accumulator& c, const lane* in, dim_t) { c = vld1q_s32(in); }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) { vst1q_s32(out, c); }
};

neon_dot_s8s8 atom_of(arch::neon_dot, product<std::int8_t, std::int8_t, std::int32_t>);
neon_dot_u8s8 atom_of(arch::neon_dot, product<std::uint8_t, std::int8_t, std::int32_t>);
tile_shape<8, 2> tile_of(arch::neon_dot, product<std::int8_t, std::int8_t, std::int32_t>);
tile_shape<8, 2> tile_of(arch::neon_dot, product<std::uint8_t, std::int8_t, std::int32_t>);
constexpr bool multiplies_bytes(arch::neon_dot) { return true; }
constexpr bool multiplies_signed_bytes(arch::neon_dot) { return true; }

} // namespace intaglio::inline INTAGLIO_ABI::simd
