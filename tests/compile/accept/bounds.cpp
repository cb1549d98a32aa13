// SPDX-License-Identifier: Apache-2.0

// The longest safe chains, computed from the ranges of the formats.

#include "intaglio/conv/winograd_policy.hpp"
#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

static_assert(max_safe_chain<dfp16_training>() == 2);  // 32767^2 into int32
static_assert(max_safe_chain<dfp16_bytes>() == 33025); // 255^2 into int32
static_assert(max_safe_chain<dfp16_planar>() == 33025);
static_assert(max_safe_chain<ternary8_inference<>>() == 128); // 255 x 1 into int16
static_assert(max_safe_chain<ternary8_locked<2>>() == 32);    // 255 x 4 into int16
static_assert(max_safe_chain<int16_blocks>() == 32);          // 8191^2 into int32
static_assert(max_safe_chain<int8_inference>() == 66311);     // 255 x 127 into int32

// One product more than the bound would pass the accumulator, the bound itself does not.
template <class P>
constexpr bool tight() {
    constexpr std::int64_t product = P::lhs::format::max_magnitude * P::rhs::format::max_magnitude;
    constexpr std::int64_t limit = std::numeric_limits<typename P::accumulator>::max();
    return max_safe_chain<P>() * product <= limit && (max_safe_chain<P>() + 1) * product > limit;
}
static_assert(tight<dfp16_training>() && tight<int8_inference>() && tight<ternary8_inference<2>>() &&
              tight<ternary8_locked<3>>() && tight<int16_blocks>());

// Winograd's products of bytes: transformed numbers, and the reduction of which four times a total fits int32.
using products_of_bytes = detail::winograd_bytes<int8_inference>;
static_assert(check_policy<products_of_bytes>::value && check_policy<detail::winograd_bytes<int8_signed>>::value);
static_assert(products_of_bytes::lhs::format::max_magnitude == 1020 && products_of_bytes::lhs::format::bits == 11);
static_assert(products_of_bytes::rhs::format::max_magnitude == 1143 && products_of_bytes::rhs::format::bits == 12);
template <class P>
constexpr bool tight_winograd() {
    constexpr std::int64_t product = 4 * P::lhs::format::max_magnitude * P::rhs::format::max_magnitude,
                           longest = detail::longest_winograd_bytes<P>();
    return longest * product <= 2147483647 && (longest + 1) * product > 2147483647;
}
static_assert(detail::longest_winograd_bytes<int8_inference>() == 16577);
static_assert(tight_winograd<int8_inference>() && tight_winograd<int8_signed>());
