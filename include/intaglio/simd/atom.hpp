// SPDX-License-Identifier: Apache-2.0
#pragma once

// The atom: the smallest step of a matrix product that the machine does at once, an outer product of shape (m, n, k) on
// registers:
//
//   acc(m x n) += lhs(m x k) * rhs(k x n)
//
// Everything above (simd/register_tile.hpp, blocking, packing) is written over this shape, so a new instruction is a
// new atom and nothing else. An atom states
//   m, n, k                                  its shape
//   lhs, rhs, lane                           element types of the packed operands and of the sums
//   accumulator, lhs_fragment, rhs_fragment  what it holds in registers
//   zero(), load_lhs(row, row_stride), load_rhs(panel), step(acc, l, r), store(acc, out, row_stride)
// where lhs rows hold k consecutive elements each, `row_stride` apart, and rhs holds n groups of k elements, one column
// after the other:
//
//   rhs panel, n = 4, k = 2:   | b00 b10 | b01 b11 | b02 b12 | b03 b13 |        b(k, column)
//
// An atom of a long k may take the elements of a column in smaller groups: with rhs_group = g the panel of a whole
// register tile is its first g elements of each column, then the next g of each, until k are complete. Atoms whose
// registers are no values (tiles) specialise `register_tile` (simd/register_tile.hpp), and `atom_scope` where a thread
// has to prepare them.
//
// `lanes_atom` below is the normative text: plain lanes, any element types. simd/arch/ has one atom per instruction.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "intaglio/simd/arch.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// What is multiplied and where it is summed: the element types of the packed operands and of the accumulator.
template <class Lhs, class Rhs, class Acc>
struct product {};

/// Sums that outgrow int32 are kept as high * 2^carry_bits + low, two int32. One step of two products of int16, of
/// which one side may be -32768, fits int32 beside what a carry leaves.
inline constexpr int carry_bits = 16;
static_assert(2 * std::int64_t{32768} * 32767 + (1 << carry_bits) - 1 <= 2147483647);

/// high += sum >> carry_bits, sum &= 2^carry_bits - 1.
INTAGLIO_INLINE void carry(std::int32_t& sum, std::int32_t& high) {
    high += sum >> carry_bits;
    sum &= (1 << carry_bits) - 1;
}

/// The same for each lane of a register, with the high parts in memory: high = from + (sum >> carry_bits). `Lanes` is a
/// vector of int32.
template <class Lanes, class Register>
INTAGLIO_INLINE void carry_lanes(Register& sums, const std::int32_t* from, std::int32_t* high) {
    const auto v = reinterpret_cast<Lanes>(sums);
    store_vector(high, load_vector<Lanes>(from) + (v >> carry_bits));
    sums = reinterpret_cast<Register>(v & ((1 << carry_bits) - 1));
}

template <int M, int N, int K, class Lhs, class Rhs, class Acc>
struct lanes_atom {
    static constexpr int m = M, n = N, k = K;
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = Acc;
    struct accumulator {
        Acc v[static_cast<std::size_t>(M * N)];
    };
    struct lhs_fragment {
        Lhs v[static_cast<std::size_t>(M * K)];
    };
    struct rhs_fragment {
        Rhs v[static_cast<std::size_t>(N * K)];
    };

    static accumulator zero() { return {}; }
    static lhs_fragment load_lhs(const Lhs* row, dim_t row_stride) {
        lhs_fragment l;
        for (int i = 0; i < M; ++i)
            for (int p = 0; p < K; ++p) l.v[i * K + p] = row[i * row_stride + p];
        return l;
    }
    static rhs_fragment load_rhs(const Rhs* panel) {
        rhs_fragment r;
        for (int e = 0; e < N * K; ++e) r.v[e] = panel[e];
        return r;
    }
    static void step(accumulator& c, const lhs_fragment& l, const rhs_fragment& r) {
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) {
                Acc sum = c.v[i * N + j];
                for (int p = 0; p < K; ++p) {
                    if constexpr (std::is_floating_point_v<Acc>)
                        sum = __builtin_fmaf(l.v[i * K + p], r.v[j * K + p], sum);
                    else if constexpr (sizeof(Lhs) == 2 && sizeof(Acc) == 4) // sums modulo 2^32 (conv/winograd.hpp)
                        sum = static_cast<Acc>(static_cast<std::uint32_t>(sum) +
                                               static_cast<std::uint32_t>(Acc{l.v[i * K + p]} * Acc{r.v[j * K + p]}));
                    else
                        sum = static_cast<Acc>(sum + static_cast<Acc>(static_cast<Acc>(l.v[i * K + p]) *
                                                                      static_cast<Acc>(r.v[j * K + p])));
                }
                c.v[i * N + j] = sum;
            }
    }
    static void load(accumulator& c, const Acc* in, dim_t row_stride) {
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) c.v[i * N + j] = in[i * row_stride + j];
    }
    static void store(const accumulator& c, Acc* out, dim_t row_stride) {
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) out[i * row_stride + j] = c.v[i * N + j];
    }
    static void carry(accumulator& c, const Acc* from, Acc* high,
                      dim_t row_stride) requires std::is_same_v<Acc, std::int32_t> {
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) {
                high[i * row_stride + j] = from[i * row_stride + j];
                simd::carry(c.v[i * N + j], high[i * row_stride + j]);
            }
    }
};

/// The atom that an arch offers for a product: `atom_for<Arch, product<...>>`. Arches add overloads of `atom_of`, never
/// defined, of which the one for the nearest ancestor wins.
template <class L, class R, class A>
lanes_atom<1, 8,
           sizeof(L) == 1   ? 4
           : sizeof(L) == 2 ? 2
                            : 1,
           L, R, A>
    atom_of(arch::portable, product<L, R, A>);
template <class L, class R>
lanes_atom<16, 16, 64, L, R, std::int32_t> atom_of(arch::portable_tile,
                                                   product<L, R, std::int32_t>) requires(sizeof(L) == 1);

/// How many atoms make a register tile: `down` times m rows, `across` times n columns.
template <int Down, int Across>
struct tile_shape {
    static constexpr int down = Down, across = Across;
};
template <class Product>
tile_shape<4, 1> tile_of(arch::portable, Product);
template <class L, class R>
tile_shape<1, 1> tile_of(arch::portable_tile, product<L, R, std::int32_t>) requires(sizeof(L) == 1);

/// Whether an arch multiplies bytes into int32 as fast as it can multiply them at all; where it does not, bytes are
/// widened to int16 while packing.
constexpr bool multiplies_bytes(arch::portable) { return false; }
constexpr bool multiplies_bytes(arch::portable_tile) { return true; }
/// The same for two signed bytes.
constexpr bool multiplies_signed_bytes(arch::portable) { return false; }
constexpr bool multiplies_signed_bytes(arch::portable_tile) { return true; }
/// Whether an arch has tiles that multiply any two byte planes, signed or not: then INT16 as two byte planes is worth
/// it.
constexpr bool multiplies_byte_planes(arch::portable) { return false; }
constexpr bool multiplies_byte_planes(arch::portable_tile) { return true; }

/// What a thread sets up before it multiplies with an atom and takes down afterwards, as an object; nothing for most
/// atoms.
template <class Atom>
struct atom_scope {};

template <class Arch, class Product>
using atom_for = decltype(atom_of(Arch{}, Product{}));
template <class Arch, class Product>
using tile_for = decltype(tile_of(Arch{}, Product{}));

} // namespace intaglio::inline INTAGLIO_ABI::simd
