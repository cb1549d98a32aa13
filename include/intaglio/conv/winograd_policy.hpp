// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Winograd's products (winograd.hpp) are products of. A policy of int16 is that of its products, and whether their
// numbers fit is looked at. Bytes, which the kernels of some instruction sets widen to int16 anyway, leave room for any
// transform, and everything follows from the formats: with |d| <= D and |w| <= W (u8 x s8: 255 and 127)
//
//   inputs    |B' d B| <= 4 D            1,020
//   filters   |G w G'| <= 9 W            1,143
//   outputs   |4 y| <= 4 * 9 * channels * D W < 2^31, up to 1,841 channels; beyond, the direct form is taken
//
// and the products are one chain modulo 2^32. Where bytes have a dot product of their own they are computed directly:
// that multiplies twice as many at a time.

#include <bit>
#include <cstdint>
#include <type_traits>

#include "intaglio/gemm/kernel_traits.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Sums of up to `Growth` numbers of a format, as int16.
template <IntegerFormat Format, int Growth>
struct winograd_format {
    using storage = std::int16_t;
    static constexpr int planes = 1;
    static constexpr std::int64_t max_magnitude = Growth * Format::max_magnitude, min_value = -max_magnitude;
    static constexpr int bits = std::bit_width(static_cast<std::uint64_t>(max_magnitude)) + 1;
    static_assert(max_magnitude <= 32767, "winograd: transformed numbers of the format don't fit int16; use a narrower "
                                          "format or the direct form");
};

/// The products of transformed bytes. Outputs have the factors and the total of the policy itself.
template <GemmPolicy P>
struct winograd_bytes {
    using lhs = operand<winograd_format<typename P::lhs::format, 4>, per_tensor>;
    using rhs = operand<winograd_format<typename P::rhs::format, 9>, typename P::rhs::sharing>;
    using accumulator = std::int32_t;
    using total = typename P::total;
    using chain =
        fixed_chain<static_cast<dim_t>(2147483647 / (lhs::format::max_magnitude * rhs::format::max_magnitude))>;
};

/// Whether the kernels of a policy multiply int16 as they are stored, in rows, with one scale: Winograd's products
/// serve all three passes.
template <GemmPolicy P, class Arch>
constexpr bool has_winograd = kernel_traits<P, Arch>::proven&& kernel_traits<P, Arch>::atom::m == 1 &&
                              kernel_traits<P, Arch>::stores_lhs_digits&& kernel_traits<P, Arch>::stores_rhs_digits &&
                              !P::rhs::sharing::by_row && std::is_same_v<typename P::lhs::sharing, per_tensor>;

/// Whether they multiply bytes of one plane as int16, with a scale for each filter or for all.
template <GemmPolicy P, class Arch>
constexpr bool widens_bytes = [] {
    using traits = kernel_traits<P, Arch>;
    if constexpr (std::is_same_v<typename P::total, std::int32_t> && is_byte<typename P::lhs::storage> &&
                  std::is_same_v<typename P::rhs::storage, std::int8_t> && P::rhs::planes == 1)
        return scale_block<P> == 0 && std::is_same_v<typename P::lhs::sharing, per_tensor> && traits::atom::m == 1 &&
               std::is_same_v<typename traits::lhs_digit, std::int16_t>;
    return false;
}();

template <GemmPolicy P, class Arch>
constexpr bool has_winograd_forward = has_winograd<P, Arch> || widens_bytes<P, Arch>;

/// The policy of the products.
template <GemmPolicy P, class Arch>
struct winograd_products_of {
    using type = P;
};
template <GemmPolicy P, class Arch>
    requires widens_bytes<P, Arch>
struct winograd_products_of<P, Arch> {
    using type = winograd_bytes<P>;
};
template <GemmPolicy P, class Arch>
using winograd_policy = typename winograd_products_of<P, Arch>::type;

/// The longest reduction of bytes, taps and channels, of which 4 y fits int32 whatever they are.
template <GemmPolicy P>
constexpr dim_t longest_winograd_bytes() {
    return longest_reduction<P>() / 4;
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
