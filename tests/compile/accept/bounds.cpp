// SPDX-License-Identifier: Apache-2.0

// The longest safe chains, computed from the ranges of the formats.

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
