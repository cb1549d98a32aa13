// SPDX-License-Identifier: Apache-2.0
#pragma once

// A policy says in one struct how a product is computed: the two operands (element format and sharing), the accumulator
// inside a chain, the total across chains, and where a chain ends. All five are independent; presets.hpp has the usual
// combinations. The laws below say which are legal.
//
// A *chain* is a run of products that are summed in the accumulator. It ends where the sum could overflow, and where a
// shared scale changes; then it is flushed, times its scale, into the total. The laws are the proof that a chain can't
// overflow.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "intaglio/core/config.hpp"
#include "intaglio/numeric/format.hpp"
#include "intaglio/tensor/operand_view.hpp"
#include "intaglio/tensor/sharing.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// A chain ends after `N` products at the latest; the law holds N against the worst case of the formats.
template <dim_t N>
struct fixed_chain {
    static_assert(N >= 1, "fixed_chain<N>: a chain holds at least one product");
    static constexpr dim_t length = N;
};

/// A chain ends where a bound computed from the operands' norms would pass the accumulator. Needs exact totals, since
/// where it ends depends on the data.
struct proven_chain {};

/// One chain over the whole reduction, for accumulators that can't overflow (float).
struct whole_chain {};

template <class P>
concept GemmPolicy = requires {
    typename P::lhs;
    typename P::rhs;
    typename P::accumulator;
    typename P::total;
    typename P::chain;
    requires ElementFormat<typename P::lhs::format> && Sharing<typename P::lhs::sharing>;
    requires ElementFormat<typename P::rhs::format> && Sharing<typename P::rhs::sharing>;
    requires std::is_arithmetic_v<typename P::accumulator> && std::is_arithmetic_v<typename P::total>;
};

namespace detail {
template <class Chain>
struct chain_traits {
    static constexpr bool fixed = false;
    static constexpr dim_t length = 0;
};
template <dim_t N>
struct chain_traits<fixed_chain<N>> {
    static constexpr bool fixed = true;
    static constexpr dim_t length = N;
};

/// Largest magnitude of one digit of a format: one of its byte planes, otherwise the whole element.
template <class Format>
constexpr std::int64_t max_digit = has_byte_planes<Format> ? 255 : Format::max_magnitude;

/// Of the products of byte planes, how many a policy computes, the weightiest first: all four, all but low x low, or
/// high x high alone.
template <class P>
constexpr int plane_products = [] {
    if constexpr (requires { P::plane_products; }) return P::plane_products;
    return 4;
}();
/// Whether the product of these planes (0 high, 1 low) is one of them.
template <class P>
constexpr bool computes_planes(int lhs, int rhs) {
    return plane_products<P> == 4 || (plane_products<P> == 3 ? lhs + rhs < 2 : lhs + rhs == 0);
}

/// Whether lhs may be any int16, -32768 too, whatever its format: the proof of a chain covers it on the side that is
/// measured when it is used.
template <class P>
constexpr bool takes_any_int16 =
    std::is_same_v<typename P::chain, proven_chain>&& std::is_same_v<typename P::lhs::storage, std::int16_t>;

/// The largest magnitude of an element of lhs.
template <class P>
constexpr std::int64_t lhs_magnitude = takes_any_int16<P> ? 32768 : P::lhs::format::max_magnitude;

/// The largest magnitude of a total that is exact. int64 totals stay below 2^51, where their conversion to double in
/// the epilogue is.
template <class Total>
constexpr std::int64_t largest_total =
    std::is_same_v<Total, std::int64_t> ? std::int64_t{1} << 51 : std::numeric_limits<std::int32_t>::max();

/// The longest reduction whose total fits the policy's total whatever the elements, for scales per block of 1
/// (range.hpp asks for the scales that there are). A float total has no bound.
template <class P>
constexpr dim_t longest_reduction() {
    if constexpr (std::is_floating_point_v<typename P::total>)
        return std::numeric_limits<dim_t>::max();
    else
        return static_cast<dim_t>(largest_total<typename P::total> /
                                  (lhs_magnitude<P> * P::rhs::format::max_magnitude * P::rhs::planes));
}
} // namespace detail

/// The longest chain that can't overflow the policy's accumulator whatever the data: floor(max(accumulator) / (|lhs|
/// |rhs|)).
template <GemmPolicy P>
constexpr dim_t max_safe_chain() {
    static_assert(IntegerFormat<typename P::lhs::format> && IntegerFormat<typename P::rhs::format>,
                  "max_safe_chain: floating-point formats have no chain bound");
    return static_cast<dim_t>(
        static_cast<std::int64_t>(std::numeric_limits<typename P::accumulator>::max()) /
        (detail::max_digit<typename P::lhs::format> * detail::max_digit<typename P::rhs::format>));
}

/// The block along the reduction after which a scale changes, or 0 where none does.
template <GemmPolicy P>
constexpr dim_t scale_block = P::lhs::block > 0 ? P::lhs::block : P::rhs::block;

/// The laws of a policy. One that keeps them all compiles and is exact on every instruction set; what some instruction
/// set could not do is refused on all. They are asked in this order, and a policy that breaks several hears of the
/// first.
enum class policy_law {
    kept, ///< all of them
    one_kind_of_operands,
    element_width,
    lhs_planes,
    float_sums,
    float_chain,
    float_scales,
    integer_accumulator,
    total_type,
    chain_type,
    integer_chain,
    equal_byte_planes,
    byte_planes_total,
    plane_products,
    plane_products_of_planes,
    block_lengths,
    lhs_blocks_total,
    proven_total,
    proven_blocks,
    safe_chain,
    chain_in_block,
    wide_total,
    total_holds_a_product,
};

/// The first law that P breaks.
template <GemmPolicy P>
constexpr policy_law broken_law() {
    using L = typename P::lhs::format;
    using R = typename P::rhs::format;
    using accumulator = typename P::accumulator;
    using total = typename P::total;
    using chain = typename P::chain;
    constexpr bool floats = std::is_same_v<L, float32> && std::is_same_v<R, float32>;
    constexpr bool fixed = detail::chain_traits<chain>::fixed, proven = std::is_same_v<chain, proven_chain>,
                   whole = std::is_same_v<chain, whole_chain>;
    if constexpr (!floats && !(IntegerFormat<L> && IntegerFormat<R>)) {
        return policy_law::one_kind_of_operands;
    } else if constexpr (P::lhs::planes != 1) {
        return policy_law::lhs_planes;
    } else if constexpr (floats) {
        if (!std::is_same_v<accumulator, float> || !std::is_same_v<total, float>) return policy_law::float_sums;
        if (!whole) return policy_law::float_chain;
        if (scale_block < P >> 0) return policy_law::float_scales;
        if (detail::plane_products<P> != 4) return policy_law::plane_products_of_planes;
        return policy_law::kept;
    } else if constexpr (!std::is_same_v<accumulator, std::int16_t> && !std::is_same_v<accumulator, std::int32_t> &&
                         !std::is_same_v<accumulator, std::int64_t>) {
        return policy_law::integer_accumulator;
    } else {
        constexpr std::int64_t widest = std::numeric_limits<std::int32_t>::max();
        constexpr bool planes = detail::has_byte_planes<L> || detail::has_byte_planes<R>,
                       exact = std::is_same_v<total, std::int32_t> || std::is_same_v<total, std::int64_t>;
        if (L::max_magnitude > widest || R::max_magnitude > widest) return policy_law::element_width;
        if (!exact && !std::is_same_v<total, float>) return policy_law::total_type;
        if (whole) return policy_law::integer_chain;
        if (!fixed && !proven) return policy_law::chain_type;
        if (planes && !std::is_same_v<L, R>) return policy_law::equal_byte_planes;
        if (planes && (!std::is_same_v<total, std::int64_t> || scale_block < P >> 0))
            return policy_law::byte_planes_total;
        if (detail::plane_products<P> != 1 && detail::plane_products<P> != 3 && detail::plane_products<P> != 4)
            return policy_law::plane_products;
        if (detail::plane_products<P> != 4 && !planes) return policy_law::plane_products_of_planes;
        if (P::lhs::block > 0 && P::rhs::block > 0 && P::lhs::block != P::rhs::block) return policy_law::block_lengths;
        if (P::lhs::block > 0 && exact) return policy_law::lhs_blocks_total;
        if (proven && !std::is_same_v<total, std::int64_t>) return policy_law::proven_total;
        if (proven && scale_block < P >> 0) return policy_law::proven_blocks;
        constexpr dim_t length = detail::chain_traits<chain>::length;
        if (fixed && length > max_safe_chain<P>()) return policy_law::safe_chain;
        if (fixed && scale_block<P> % std::max<dim_t>(1, length) != 0) return policy_law::chain_in_block;
        if (exact && sizeof(total) < sizeof(accumulator)) return policy_law::wide_total;
        if (detail::longest_reduction<P>() < 1) return policy_law::total_holds_a_product;
        return policy_law::kept;
    }
}

/// Asks a policy for every law; a failure is one sentence that names the subject, the law and the remedy.
template <GemmPolicy P>
struct check_policy {
    static constexpr policy_law broken = broken_law<P>();
    static_assert(broken != policy_law::one_kind_of_operands,
                  "gemm policy: one operand is float32 and the other is not; convert one of them");
    static_assert(broken != policy_law::element_width,
                  "gemm policy: elements are multiplied in 32 bits, sign included; use a narrower format");
    static_assert(broken != policy_law::lhs_planes, "gemm policy: lhs has one stored plane; give the planes to rhs");
    static_assert(broken != policy_law::float_sums,
                  "gemm policy: float32 operands need a float accumulator and a float total");
    static_assert(broken != policy_law::float_chain,
                  "gemm policy: a float accumulator sums the reduction in one chain; use whole_chain");
    static_assert(
        broken != policy_law::float_scales,
        "gemm policy: float32 elements have exponents of their own and no scales per block; use per_tensor or "
        "per_row");
    static_assert(broken != policy_law::integer_accumulator,
                  "gemm policy: integer operands need an integer accumulator; use std::int16_t, std::int32_t or "
                  "std::int64_t");
    static_assert(broken != policy_law::total_type, "gemm policy: a total is float, std::int32_t or std::int64_t");
    static_assert(broken != policy_law::chain_type,
                  "gemm policy: a chain is fixed_chain<N>, proven_chain or whole_chain; use one of them");
    static_assert(broken != policy_law::integer_chain,
                  "gemm policy: an integer accumulator can overflow; use fixed_chain<N> or proven_chain");
    static_assert(broken != policy_law::equal_byte_planes,
                  "gemm policy: one operand has byte planes and the other has not, or stores them in another way; give "
                  "both the same format");
    static_assert(broken != policy_law::byte_planes_total,
                  "gemm policy: products of byte planes are summed with shifts; use a std::int64_t total and no scales "
                  "per block");
    static_assert(broken != policy_law::plane_products,
                  "gemm policy: of the four products of two byte planes, one, three or four are computed");
    static_assert(broken != policy_law::plane_products_of_planes,
                  "gemm policy: plane_products leaves out products of byte planes; give both operands byte_planes or "
                  "planar_bytes");
    static_assert(broken != policy_law::block_lengths,
                  "gemm policy: both operands have scales per block, of different lengths; use one length");
    static_assert(broken != policy_law::lhs_blocks_total,
                  "gemm policy: scales per block of lhs are real numbers; use a float total");
    static_assert(broken != policy_law::proven_total,
                  "gemm policy: a proven chain ends where the data say, so only an exact total gives the same result "
                  "everywhere; use std::int64_t");
    static_assert(broken != policy_law::proven_blocks,
                  "gemm policy: a proven chain with scales per block is not supported; use fixed_chain<N>");
    static_assert(broken != policy_law::safe_chain, "gemm policy: the chain can overflow the accumulator; "
                                                    "shorten it, narrow an element format or widen the accumulator");
    static_assert(
        broken != policy_law::chain_in_block,
        "gemm policy: a chain crosses the end of a block that shares a scale; make the block a multiple of the chain");
    static_assert(broken != policy_law::wide_total,
                  "gemm policy: the total is narrower than the accumulator; widen it");
    static_assert(
        broken != policy_law::total_holds_a_product,
        "gemm policy: the total can't hold a single product exactly; use a wider or a float total, or narrow an "
        "element format");
    static constexpr bool value = true;
};

/// The type of a block's scale: an 8-bit integer where the total is exact, otherwise a real number. Scales per row and
/// per tensor never enter the sums and are real numbers always.
template <class Operand, class Total>
using scale_type = std::conditional_t<(Operand::block > 0) && std::is_integral_v<Total>, std::uint8_t, float>;

/// The operands of a policy's products (tensor/operand_view.hpp).
template <GemmPolicy P>
using lhs_view = operand_view<typename P::lhs, scale_type<typename P::lhs, typename P::total>>;
template <GemmPolicy P>
using rhs_view = operand_view<typename P::rhs, scale_type<typename P::rhs, typename P::total>>;

} // namespace intaglio::inline INTAGLIO_ABI
