// SPDX-License-Identifier: Apache-2.0
#pragma once

// NEON of AArch64: 128-bit registers, thirty-two of them, with a fused multiply-add.

#include <arm_neon.h>

#include "intaglio/simd/batch.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// int16 into int32, 1 x 4 x 2: two smlal, one for each product of the pair. The panel's pairs are parted by the load.
struct neon_s16 {
    static constexpr int m = 1, n = 4, k = 2;
    using lhs = std::int16_t;
    using rhs = std::int16_t;
    using lane = std::int32_t;
    using accumulator = int32x4_t;
    struct lhs_fragment {
        int16x4_t even, odd;
    };
    using rhs_fragment = int16x4x2_t;

    static INTAGLIO_INLINE accumulator zero() { return vdupq_n_s32(0); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const lhs* row, index) { return {vld1_dup_s16(row), vld1_dup_s16(row + 1)}; }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const rhs* panel) { return vld2_s16(panel); }
    static INTAGLIO_INLINE void step(accumulator& c, const lhs_fragment& l, const rhs_fragment& r) {
        c = vmlal_s16(vmlal_s16(c, l.even, r.val[0]), l.odd, r.val[1]);
    }
    static INTAGLIO_INLINE void store(accumulator c, lane* out, index) { vst1q_s32(out, c); }
};

float_atom atom_of(arch::neon, product<float, float, float>);
neon_s16 atom_of(arch::neon, product<std::int16_t, std::int16_t, std::int32_t>);
tile_shape<8, 2> tile_of(arch::neon, product<float, float, float>);
tile_shape<8, 2> tile_of(arch::neon, product<std::int16_t, std::int16_t, std::int32_t>);

} // namespace intaglio::inline INTAGLIO_ABI::simd
