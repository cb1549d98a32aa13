// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a policy and an arch to the digits that are packed, the atom that multiplies them and the register tile. This is
// the only place where a number format meets an instruction set:
//
//   formats                     digits packed      accumulator   where
//   float32                     float              float         everywhere
//   u8 x s8 or trits            u8, s8             int32         archs that multiply bytes (VNNI, AMX, NEON dot)
//   s8 x s8                     s8, s8             int32         archs that multiply signed bytes (AMX, NEON dot)
//   u8 x codes, int16 wanted    u8, s8             int16         the others: pairs are summed in int16 first
//   any integers to 16 bits     s16, s16           int32         the others: bytes are widened while packing
//   byte_planes, planar_bytes   two byte planes    int32         archs with byte tiles
//     (and fixed<16> where
//     tiles are faster)
//   byte_planes, planar_bytes   two s16 planes     int32         the others
//   any integers                s32, s32           int64         everywhere, one product a step
//
// An exact total may be reached through any of these, so the choice never shows in a result. A line is passed over
// where one step of its atom could overflow (pairs of u8 x s8 in int16), or where a float total's chains are no whole
// steps of it; the last one sums whatever a policy may ask for.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "intaglio/gemm/policy.hpp"
#include "intaglio/simd/native.hpp"
#include "intaglio/simd/register_tile.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class T>
constexpr bool is_byte = sizeof(T) == 1;

/// The element types of the packed operands, the type that sums them, and into how many planes an element is taken
/// apart.
template <class Lhs, class Rhs, class Acc, int LhsPlanes, int RhsPlanes>
struct digit_choice {
    using lhs = Lhs;
    using rhs = Rhs;
    using acc = Acc;
    static constexpr int lhs_planes = LhsPlanes, rhs_planes = RhsPlanes;
};

/// Plane `p` of `planes` that a value is taken apart into: all of it, or its high (signed) and low byte. A value of one
/// byte is that plane already.
template <class Digit, int planes, class T>
constexpr Digit digit_of(T value, int p) {
    if constexpr (planes == 1)
        return static_cast<Digit>(value);
    else if constexpr (is_byte<T>)
        return static_cast<Digit>(p == 0 ? static_cast<std::int8_t>(value) : value);
    else
        return static_cast<Digit>(p == 0 ? value >> 8 : value & 255);
}

/// Sums that an atom keeps for each output, each of which takes its share of a chain.
template <class Atom>
constexpr dim_t partial_sums_of = [] {
    if constexpr (requires { Atom::partial_sums; }) return Atom::partial_sums;
    return 1;
}();

/// How many products of magnitudes up to `largest` a sum in Acc holds.
template <class Acc>
constexpr dim_t products_in(std::int64_t largest) {
    return static_cast<dim_t>(static_cast<std::int64_t>(std::numeric_limits<Acc>::max()) / largest);
}

/// Whether an arch's atom for the product of such digits sums a policy's products exactly: a step of it fits its
/// accumulator, and chains that show in the result, those of a float total, are summed in whole steps or blocks.
template <GemmPolicy P, class Arch, class Lhs, class Rhs, class Acc>
constexpr bool sums_chains() {
    using atom = simd::atom_for<Arch, simd::product<Lhs, Rhs, Acc>>;
    constexpr dim_t safe = products_in<Acc>(lhs_magnitude<P> * P::rhs::format::max_magnitude);
    if constexpr (std::is_same_v<typename P::total, float>) {
        constexpr dim_t chain = chain_traits<typename P::chain>::length;
        if (chain > safe || (chain % atom::k != 0 && chain != scale_block<P>)) return false;
    }
    return safe >= atom::k / partial_sums_of<atom>;
}

template <GemmPolicy P, class Arch>
constexpr auto choose_digits() {
    // and those of an arch that is declared elsewhere
    using simd::multiplies_byte_planes, simd::multiplies_bytes, simd::multiplies_signed_bytes;
    using L = typename P::lhs::format;
    using R = typename P::rhs::format;
    using s8 = std::int8_t;
    using u8 = std::uint8_t;
    using s16 = std::int16_t;
    using s32 = std::int32_t;
    if constexpr (std::is_same_v<L, float32>) {
        return digit_choice<float, float, float, 1, 1>{};
    } else {
        constexpr bool codes = std::is_same_v<typename R::storage, s8>,
                       bytes = std::is_same_v<typename L::storage, u8> && codes,
                       signed_bytes = std::is_same_v<typename L::storage, s8> && codes;
        constexpr bool sixteen = L::max_magnitude <= 32767 && R::max_magnitude <= 32767;
        constexpr bool tiles = multiplies_byte_planes(Arch{}) && L::bits == 16 && R::bits == 16 && L::min_value < 0 &&
                               R::min_value < 0 && scale_block<P> == 0 &&
                               std::is_same_v<typename P::total, std::int64_t>;
        if constexpr (bytes && multiplies_bytes(Arch{}) && sums_chains<P, Arch, u8, s8, s32>())
            return digit_choice<u8, s8, s32, 1, 1>{};
        else if constexpr (signed_bytes && multiplies_signed_bytes(Arch{}) && sums_chains<P, Arch, s8, s8, s32>())
            return digit_choice<s8, s8, s32, 1, 1>{};
        else if constexpr (bytes && std::is_same_v<typename P::accumulator, s16> && sums_chains<P, Arch, u8, s8, s16>())
            return digit_choice<u8, s8, s16, 1, 1>{};
        else if constexpr (tiles)
            return digit_choice<u8, u8, s32, 2, 2>{};
        else if constexpr (has_byte_planes<L>)
            return digit_choice<s16, s16, s32, 2, 2>{};
        else if constexpr (sixteen && sums_chains<P, Arch, s16, s16, s32>())
            return digit_choice<s16, s16, s32, 1, 1>{};
        else
            return digit_choice<s32, s32, std::int64_t, 1, 1>{};
    }
}

/// Tiles of bytes take apart planes whose high digit is signed: the types that plane `p` of two is multiplied as.
template <class Digit, int Planes, int p>
using plane_type =
    std::conditional_t<Planes == 2 && is_byte<Digit>, std::conditional_t<p == 0, std::int8_t, std::uint8_t>, Digit>;

template <GemmPolicy P, class Arch>
struct kernel_traits {
    static_assert(check_policy<P>::value);
    using policy = P;
    using arch = Arch;
    using digits = decltype(choose_digits<P, Arch>());
    using lhs_digit = typename digits::lhs;
    using rhs_digit = typename digits::rhs;
    using total = typename P::total;
    /// Planes of digits of an element of lhs, as they are stored or taken apart.
    static constexpr int lhs_planes = digits::lhs_planes;
    static constexpr int split_planes = digits::rhs_planes;
    /// Whether operands are stored as the digits that are multiplied.
    static constexpr bool stores_lhs_digits =
        std::is_same_v<lhs_digit, typename P::lhs::storage> && lhs_planes == planes_of_number<typename P::lhs::format>;
    static constexpr bool stores_rhs_digits = std::is_same_v<rhs_digit, typename P::rhs::storage> &&
                                              split_planes == planes_of_number<typename P::rhs::format>;
    static constexpr int rhs_planes = split_planes * P::rhs::planes; ///< planes in the packed rhs

    template <int LhsPlane, int RhsPlane>
    using product = simd::product<plane_type<lhs_digit, lhs_planes, LhsPlane>,
                                  plane_type<rhs_digit, split_planes, RhsPlane>, typename digits::acc>;
    template <int LhsPlane, int RhsPlane>
    using plane_atom = simd::atom_for<Arch, product<LhsPlane, RhsPlane>>;
    using atom = plane_atom<0, 0>;
    using tile = simd::tile_for<Arch, product<0, 0>>;
    using lane = typename atom::lane;

    static constexpr int k = atom::k; ///< products a step adds to one sum
    /// How many consecutive elements of a column lie together in the packed rhs: those of a step, unless the atom takes
    /// them in smaller groups.
    static constexpr int rhs_group = [] {
        if constexpr (requires { atom::rhs_group; }) return atom::rhs_group;
        return atom::k;
    }();
    static constexpr int cols = tile::across * atom::n;
    static constexpr int rows = tile::down * atom::m;
    /// Whether a last panel that is at most half full is multiplied by half a tile: where panels are wide, and many
    /// layers have 16 or 48 columns.
    static constexpr bool halves = tile::across == 2 && cols >= 32 && atom::m == 1;
    static constexpr bool floats = std::is_same_v<lane, float>;
    static constexpr bool float_total = std::is_same_v<total, float>;
    /// Chains are cut by norms: those of a proven policy whose digits are int16. Any others are cut by ranges, which
    /// leave room for long ones.
    static constexpr bool proven = std::is_same_v<typename P::chain, proven_chain> && rhs_planes == 1 &&
                                   lhs_planes == 1 && std::is_same_v<rhs_digit, std::int16_t>;
    static constexpr dim_t block = scale_block<P>;
    /// Chains of int16 sums that no scale ends: each panel is cut where the magnitudes of its own elements say
    /// (rhs_bounds.hpp), and the sums of a chain are widened as those of a block with a scale of one are.
    static constexpr bool cut_by_sums = block == 0 && std::is_same_v<typename digits::acc, std::int16_t> &&
                                        lhs_planes == 1 && rhs_planes == 1 && std::is_integral_v<total>;
    static constexpr bool integer_scales = (block > 0 && !float_total) || cut_by_sums;
    /// Whether panels have chains of their own.
    static constexpr bool own_chains = proven || cut_by_sums;
    using block_scale = std::conditional_t<integer_scales, std::uint8_t, float>;
    /// Where bytes are multiplied as fast as trits, integer scales may be folded into the digits while packing, all
    /// planes of an element into one byte: sum over planes of scale * digit. It is done where every such sum fits a
    /// byte (packed_rhs), and then nothing is flushed between blocks.
    static constexpr bool can_fold_scales =
        integer_scales && std::is_same_v<typename digits::acc, std::int32_t> && is_byte<rhs_digit>;
    /// Bits of a digit where a packed rhs is stored narrow and expanded just before use; 0 where digits need their
    /// bytes.
    static constexpr int narrow_bits = [] {
        if constexpr (std::is_same_v<rhs_digit, std::int8_t>)
            for (const int bits : {2, 4})
                if (P::rhs::format::max_magnitude <= (1 << (bits - 1)) - 1) return bits;
        return 0;
    }();
    /// Whether a packed rhs of codes of a byte may be stored compactly (compact_panels.hpp).
    static constexpr bool can_be_compact = [] {
        if constexpr (std::is_same_v<typename P::rhs::storage, std::int8_t> && !floats && !float_total && !proven)
            return block == 0 && narrow_bits == 0 && rhs_planes == 1 && P::rhs::format::max_magnitude <= 127 &&
                   (std::is_same_v<rhs_digit, std::int8_t> || std::is_same_v<rhs_digit, std::int16_t>);
        return false;
    }();
    /// Whether a tile of so many atoms of rows can expand narrow digits itself: where few rows use them it is quicker
    /// than by way of memory. A chain must be a whole run, for which the tile's sums are put right (simd/expand.hpp),
    /// and sums with trits, up to 2 << 2 each, must fit the accumulator without a sign until they are shifted; others
    /// may wrap.
    static constexpr bool expands(int down) {
        if constexpr (narrow_bits > 0 && block > 0 && requires { &atom::add; }) {
            constexpr std::int64_t most =
                2 * static_cast<std::int64_t>(std::numeric_limits<typename digits::acc>::max()) + 1;
            constexpr bool fits =
                narrow_bits > 2 || (block + k - 1) / k * (k / partial_sums) * P::lhs::format::max_magnitude * 8 <= most;
            const int sets = simd::sets_of_sums<atom>(down * tile::across);
            return fits && block <= longest_chain() && sets > 1 && sets * cols * k % (2 * 64) == 0 && atom::m == 1 &&
                   sizeof(typename atom::rhs_fragment) == atom::n * atom::k && 64 % (atom::n * atom::k) == 0 &&
                   atom::n * atom::k <= simd::widest_vector;
        }
        return false;
    }
    /// The atom multiplies its sums by 8-bit scales while widening them to int32. Some need sums that fit int16 for it.
    static constexpr bool scales_in_flush = [] {
        if constexpr (!integer_scales || !std::is_same_v<total, std::int32_t> ||
                      !requires { typename atom::scale_fragment; })
            return false;
        else if constexpr (requires { atom::largest_scaled; })
            return block * P::lhs::format::max_magnitude * P::rhs::format::max_magnitude <= atom::largest_scaled;
        else
            return true;
    }();

    /// Sums go on from chain to chain and are the totals, unless a packed rhs has scales per block that could not be
    /// folded.
    static constexpr bool through = floats || proven ||
                                    (std::is_same_v<typename digits::acc, total> && lhs_planes == 1 &&
                                     split_planes == 1 && (!integer_scales || can_fold_scales));
    /// The sum of proven chains over a block of the reduction is kept in two parts, high * 2^carry_bits + low: a flush
    /// then writes half as much, and nothing is widened. Blocks are summed in the policy's total.
    static constexpr bool carries = proven;
    using block_total = std::conditional_t<carries, std::int32_t, total>;
    static constexpr dim_t tile_size = rows * cols;

    static constexpr dim_t partial_sums = partial_sums_of<atom>;

    /// The longest chain in products, a multiple of the atom's k. With an exact total where a chain is cut has no
    /// effect on the result, so it is as long as the formats and the accumulator in use allow; with a float total it is
    /// the policy's own.
    static constexpr dim_t longest_chain() {
        if constexpr (floats) {
            return std::numeric_limits<dim_t>::max();
        } else if constexpr (float_total) {
            return chain_traits<typename P::chain>::length;
        } else {
            constexpr std::int64_t l = lhs_planes == 2 ? 255 : lhs_magnitude<P>;
            constexpr std::int64_t r = split_planes == 2 ? 255 : can_fold_scales ? 127 : P::rhs::format::max_magnitude;
            return products_in<typename digits::acc>(l * r) / (k / partial_sums) * k;
        }
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
