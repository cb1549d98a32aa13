// SPDX-License-Identifier: Apache-2.0
#pragma once

// NEON of AArch64: 128-bit registers, thirty-two of them, with a fused multiply-add and multiplications by one lane of
// a register.

#include <arm_neon.h>

#include <cstring>

#include "intaglio/simd/batch.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// int16 into int32, 1 x 8 x 2: smlal and smlal2 by lane, for each product of the pair. The load parts the panel's
/// pairs.
struct neon_s16 {
    static constexpr int m = 1, n = 8, k = 2;
    using lhs = std::int16_t;
    using rhs = std::int16_t;
    using lane = std::int32_t;
    struct accumulator {
        int32x4_t low, high;
    };
    using lhs_fragment = int16x4_t; ///< the pair, twice
    using rhs_fragment = int16x8x2_t;

    static INTAGLIO_INLINE accumulator zero() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) {
        std::int32_t pair;
        std::memcpy(&pair, row, sizeof pair);
        return vreinterpret_s16_s32(vdup_n_s32(pair));
    }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return vld2q_s16(panel); }
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, const rhs_fragment& r) {
        c.low = vmlal_lane_s16(c.low, vget_low_s16(r.val[0]), l, 0);
        c.high = vmlal_high_lane_s16(c.high, r.val[0], l, 0);
        c.low = vmlal_lane_s16(c.low, vget_low_s16(r.val[1]), l, 1);
        c.high = vmlal_high_lane_s16(c.high, r.val[1], l, 1);
    }
    static INTAGLIO_INLINE void load(accumulator& c, const lane* in, dim_t) { c = {vld1q_s32(in), vld1q_s32(in + 4)}; }
    static INTAGLIO_INLINE void store(const accumulator& c, lane* out, dim_t) {
        vst1q_s32(out, c.low);
        vst1q_s32(out + 4, c.high);
    }
    static INTAGLIO_INLINE void carry(accumulator& c, const lane* from, lane* high, dim_t) {
        carry_lanes<int32x4_t>(c.low, from, high);
        carry_lanes<int32x4_t>(c.high, from + 4, high + 4);
    }
};

/// u8 x small signed codes into int16, 1 x 8 x 4: both widened to int16 by the loads, then mla by lane, twice as many
/// products an instruction as smlal has. NEON has no product of mixed signs.
struct neon_u8_codes {
    static constexpr int m = 1, n = 8, k = 4;
    using lhs = std::uint8_t;
    using rhs = std::int8_t;
    using lane = std::int32_t;
    using accumulator = int16x8_t;
    using lhs_fragment = int16x4_t;
    struct rhs_fragment {
        int16x8_t codes[4]; ///< product by product
    };

    static INTAGLIO_INLINE accumulator zero() { return vdupq_n_s16(0); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, dim_t) {
        std::uint32_t quad;
        std::memcpy(&quad, row, sizeof quad);
        return vreinterpret_s16_u16(vget_low_u16(vmovl_u8(vcreate_u8(quad))));
    }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) {
        const int8x8x4_t codes = vld4_s8(panel);
        return {{vmovl_s8(codes.val[0]), vmovl_s8(codes.val[1]), vmovl_s8(codes.val[2]), vmovl_s8(codes.val[3])}};
    }
    static INTAGLIO_INLINE void step(accumulator& c, lhs_fragment l, const rhs_fragment& r) {
        c = vmlaq_lane_s16(c, r.codes[0], l, 0);
        c = vmlaq_lane_s16(c, r.codes[1], l, 1);
        c = vmlaq_lane_s16(c, r.codes[2], l, 2);
        c = vmlaq_lane_s16(c, r.codes[3], l, 3);
    }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, dim_t) {
        vst1q_s32(out, vmovl_s16(vget_low_s16(c)));
        vst1q_s32(out + 4, vmovl_high_s16(c));
    }

    /// The sums times scales: smlal widens and multiplies at once.
    using scale_fragment = int16x8_t;
    static INTAGLIO_INLINE scale_fragment load_scales(const std::uint8_t* scales) {
        return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(scales)));
    }
    using totals = vector<std::int32_t, n>;
    static INTAGLIO_INLINE totals multiply_add(totals total, accumulator c, scale_fragment scales) {
        int32x4_t halves[2];
        std::memcpy(halves, &total, sizeof total);
        halves[0] = vmlal_s16(halves[0], vget_low_s16(c), vget_low_s16(scales));
        halves[1] = vmlal_high_s16(halves[1], c, scales);
        std::memcpy(&total, halves, sizeof total);
        return total;
    }
};

float_atom atom_of(arch::neon, product<float, float, float>);
neon_s16 atom_of(arch::neon, product<std::int16_t, std::int16_t, std::int32_t>);
neon_u8_codes atom_of(arch::neon, product<std::uint8_t, std::int8_t, std::int16_t>);
tile_shape<8, 2> tile_of(arch::neon, product<float, float, float>);
tile_shape<8, 1> tile_of(arch::neon, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<8, 2> tile_of(arch::neon, product<std::uint8_t, std::int8_t, std::int16_t>);

} // namespace intaglio::inline INTAGLIO_ABI::simd
