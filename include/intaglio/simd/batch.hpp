// SPDX-License-Identifier: Apache-2.0
#pragma once

// All that the library uses of xsimd: one register of floats with load, store, broadcast and a fused multiply-add. The
// FP32 atom is written over it once, for every arch whose fused multiply-add is one instruction; elsewhere lanes_atom
// fuses lane by lane, so that the sums have the same bits. (xsimd 8.1 has no fused form for AVX-512: its generic text
// multiplies, rounds and adds. That arch replaces the step.)

#include <xsimd/xsimd.hpp>

#include "intaglio/simd/atom.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

using float_batch = xsimd::batch<float>;

/// FP32: 1 x W x 1, one fused multiply-add for W = lanes of a register.
struct float_atom {
    static constexpr int m = 1, n = static_cast<int>(float_batch::size), k = 1;
    using lhs = float;
    using rhs = float;
    using lane = float;
    using accumulator = float_batch;
    using lhs_fragment = float_batch;
    using rhs_fragment = float_batch;

    static INTAGLIO_INLINE accumulator zero() { return float_batch(0.0F); }
    static INTAGLIO_INLINE lhs_fragment load_lhs(const float* row, dim_t) { return float_batch(*row); }
    static INTAGLIO_INLINE rhs_fragment load_rhs(const float* panel) { return float_batch::load_unaligned(panel); }
    static INTAGLIO_INLINE void step(accumulator& c, const lhs_fragment& l, const rhs_fragment& r) {
        c = xsimd::fma(l, r, c);
    }
    static INTAGLIO_INLINE void load(accumulator& c, const float* in, dim_t) { c = float_batch::load_unaligned(in); }
    static INTAGLIO_INLINE void store(const accumulator& c, float* out, dim_t) { c.store_unaligned(out); }
};

} // namespace intaglio::inline INTAGLIO_ABI::simd
