// SPDX-License-Identifier: Apache-2.0
#pragma once

// The usual policies. Each is a handful of names; inherit from one and change what differs.

#include <cstdint>

#include "intaglio/gemm/policy.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// FP32, each output one chain of fused multiply-adds in the order of the reduction.
struct fp32 {
    using lhs = operand<float32, per_tensor>;
    using rhs = operand<float32, per_tensor>;
    using accumulator = float;
    using total = float;
    using chain = whole_chain;
};

/// INT16 dynamic fixed point (Das et al., arXiv 1802.00930), with proven chains and exact totals.
struct dfp16_training {
    using lhs = operand<fixed<16>, per_tensor>;
    using rhs = operand<fixed<16>, per_tensor>;
    using accumulator = std::int32_t;
    using total = std::int64_t;
    using chain = proven_chain;
};

/// The same numbers as dfp16_training, each operand as two byte planes.
struct dfp16_bytes {
    using lhs = operand<byte_planes, per_tensor>;
    using rhs = operand<byte_planes, per_tensor>;
    using accumulator = std::int32_t;
    using total = std::int64_t;
    using chain = fixed_chain<32768>;
};

/// The same numbers again, each plane in memory of its own, as quantizers write it: where bytes are multiplied they are
/// packed as they are, and rows are read in place.
struct dfp16_planar : dfp16_bytes {
    using lhs = operand<planar_bytes, per_tensor>;
    using rhs = operand<planar_bytes, per_tensor>;
};

/// The dial of dfp16_bytes or dfp16_planar: the `Products` weightiest of its four products of planes. Three are coarser
/// by the low bytes' own product, one is an 8-bit product of the high bytes alone; both are cheaper where planes are
/// multiplied one by one.
template <int Products, class Base = dfp16_bytes>
struct dfp16_dial : Base {
    static constexpr int plane_products = Products;
};

/// "8-8": unsigned 8-bit activations, signed 8-bit weights, one scale for each output channel.
struct int8_inference {
    using lhs = operand<unsigned_fixed<8>, per_tensor>;
    using rhs = operand<fixed<8>, per_row>;
    using accumulator = std::int32_t;
    using total = std::int32_t;
    using chain = fixed_chain<65536>;
};

/// Signed 8-bit on both sides.
struct int8_signed : int8_inference {
    using lhs = operand<fixed<8>, per_tensor>;
};

/// The same with weights of at most 63 in magnitude: a pair of products fits int16, in which machines that do not
/// multiply bytes into int32 sum twice as many at a time. Chains are as long as the weights allow.
struct int7_inference : int8_inference {
    using rhs = operand<fixed<7>, per_row>;
    using accumulator = std::int16_t;
    using chain = fixed_chain<2>;
};

/// "8-2": unsigned 8-bit activations, `Planes` planes of trits with a scale per 64 input channels (Kundu et al., arXiv
/// 1707.04679).
template <int Planes = 1, dim_t Block = 64>
struct ternary8_inference {
    using lhs = operand<unsigned_fixed<8>, per_tensor>;
    using rhs = operand<trits<Planes>, per_block<Block>>;
    using accumulator = std::int16_t;
    using total = std::int32_t;
    using chain = fixed_chain<Block <= 64 ? Block : 64>;
};

/// Ternary planes with scales locked 3 : 1, fused into one code (`Digits` of them in one pass).
template <int Digits = 2, dim_t Block = 64>
struct ternary8_locked {
    using lhs = operand<unsigned_fixed<8>, per_tensor>;
    using rhs = operand<locked_trits<Digits>, per_block<Block>>;
    using accumulator = std::conditional_t<Digits <= 2, std::int16_t, std::int32_t>;
    using total = std::int32_t;
    using chain = fixed_chain<Digits == 1 ? 64 : Digits == 2 ? 32 : Block>;
};

/// 8-bit activations, 4-bit weights with a real scale per block of 32.
struct int4_blocks {
    using lhs = operand<unsigned_fixed<8>, per_tensor>;
    using rhs = operand<fixed<4>, per_block<32>>;
    using accumulator = std::int32_t;
    using total = float;
    using chain = fixed_chain<32>;
};

/// 13 magnitude bits and a scale per block of 32 on both sides: exactly 32 such products fit int32.
struct int16_blocks {
    using lhs = operand<fixed<14>, per_block<32>>;
    using rhs = operand<fixed<14>, per_block<32>>;
    using accumulator = std::int32_t;
    using total = float;
    using chain = fixed_chain<32>;
};

/// 28-bit mantissas in int32, multiplied into int64.
struct int32_mantissas {
    using lhs = operand<fixed<28>, per_tensor>;
    using rhs = operand<fixed<28>, per_tensor>;
    using accumulator = std::int64_t;
    using total = float;
    using chain = fixed_chain<512>;
};

} // namespace intaglio::inline INTAGLIO_ABI
