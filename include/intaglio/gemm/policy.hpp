// SPDX-License-Identifier: Apache-2.0
#pragma once

// A policy says in one struct how a product is computed: the two operands (element format and sharing), the accumulator
// inside a chain, the total across chains, and where a chain ends. All five are independent; presets.hpp has the usual
// combinations.
//
// A *chain* is a run of products that are summed in the accumulator. It ends where the sum could overflow, and where a
// shared scale changes; then it is flushed, times its scale, into the total. The laws below are the proof that a chain
// can't overflow.

#include <concepts>
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
} // namespace detail

namespace detail {
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

/// Checks every law of a policy; each failure is one sentence that names the subject, the law and the remedy.
template <GemmPolicy P>
struct check_policy {
    using lhs_format = typename P::lhs::format;
    using rhs_format = typename P::rhs::format;
    using chain = detail::chain_traits<typename P::chain>;
    static constexpr bool integers = IntegerFormat<lhs_format> && IntegerFormat<rhs_format>;
    static constexpr bool floats = std::is_same_v<lhs_format, float32> && std::is_same_v<rhs_format, float32>;

    static_assert(integers || floats, "gemm policy: one operand is float32 and the other is not; convert one of them");
    static_assert(!floats ||
                      (std::is_same_v<typename P::accumulator, float> && std::is_same_v<typename P::total, float>),
                  "gemm policy: float32 operands need a float accumulator and a float total");
    static_assert(!floats || std::is_same_v<typename P::chain, whole_chain>,
                  "gemm policy: a float accumulator sums the reduction in one chain; use whole_chain");
    static_assert(!integers || std::is_integral_v<typename P::accumulator>,
                  "gemm policy: integer operands need an integer accumulator");
    static_assert(!integers || !std::is_same_v<typename P::chain, whole_chain>,
                  "gemm policy: an integer accumulator can overflow; use fixed_chain<N> or proven_chain");
    static constexpr bool of_byte_planes = detail::has_byte_planes<lhs_format> || detail::has_byte_planes<rhs_format>;
    static_assert(!of_byte_planes || std::is_same_v<lhs_format, rhs_format>,
                  "gemm policy: one operand has byte planes and the other has not, or stores them in another way; give "
                  "both the same format");
    static_assert(!of_byte_planes || (std::is_same_v<typename P::total, std::int64_t> && scale_block<P> == 0),
                  "gemm policy: products of byte planes are summed with shifts; use a std::int64_t total and no scales "
                  "per block");
    static constexpr bool chain_is_safe() {
        if constexpr (integers && chain::fixed) return chain::length <= max_safe_chain<P>();
        return true;
    }
    static_assert(chain_is_safe(), "gemm policy: the chain can overflow the accumulator; "
                                   "shorten it, narrow an element format or widen the accumulator");
    static_assert(
        !chain::fixed || scale_block<P> == 0 || scale_block<P> % (chain::length ? chain::length : 1) == 0,
        "gemm policy: a chain crosses the end of a block that shares a scale; make the block a multiple of the chain");
    static_assert(P::lhs::block == 0 || P::rhs::block == 0 || P::lhs::block == P::rhs::block,
                  "gemm policy: both operands have scales per block, of different lengths; use one length");
    static_assert(!std::is_same_v<typename P::chain, proven_chain> || std::is_same_v<typename P::total, std::int64_t>,
                  "gemm policy: a proven chain ends where the data say, so only an exact total gives the same result "
                  "everywhere; use std::int64_t");
    static_assert(!std::is_same_v<typename P::chain, proven_chain> || scale_block<P> == 0,
                  "gemm policy: a proven chain with scales per block is not supported; use fixed_chain<N>");
    static_assert(detail::plane_products<P> == 1 || detail::plane_products<P> == 3 || detail::plane_products<P> == 4,
                  "gemm policy: of the four products of two byte planes, one, three or four are computed");
    static_assert(detail::plane_products<P> == 4 || of_byte_planes,
                  "gemm policy: plane_products leaves out products of byte planes; give both operands byte_planes or "
                  "planar_bytes");
    static_assert(P::lhs::block == 0 || std::is_same_v<typename P::total, float>,
                  "gemm policy: scales per block of lhs are real numbers; use a float total");
    static_assert(std::is_same_v<typename P::total, float> || std::is_same_v<typename P::total, std::int32_t> ||
                      std::is_same_v<typename P::total, std::int64_t>,
                  "gemm policy: a total is float, std::int32_t or std::int64_t");
    static_assert(sizeof(typename P::total) >= sizeof(typename P::accumulator) ||
                      std::is_same_v<typename P::total, float>,
                  "gemm policy: the total is narrower than the accumulator; widen it");
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
