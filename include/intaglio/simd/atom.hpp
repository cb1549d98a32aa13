// SPDX-License-Identifier: Apache-2.0
#pragma once

// The atom: the smallest step of a matrix product that the machine does at once, an outer product of shape (m, n, k) on registers:
//
//   acc(m x n) += lhs(m x k) * rhs(k x n)
//
// Everything above (tile, blocking, packing) is written over this shape, so a new instruction is a new atom and nothing else. An atom states
//   m, n, k                                  its shape
//   lhs, rhs, lane                           element types of the packed operands and of the sums
//   accumulator, lhs_fragment, rhs_fragment  what it holds in registers
//   zero(), load_lhs(row, row_stride), load_rhs(panel), step(acc, l, r), store(acc, out, row_stride)
// where lhs rows hold k consecutive elements each, `row_stride` apart, and rhs holds n groups of k elements, one column after the other:
//
//   rhs panel, n = 4, k = 2:   | b00 b10 | b01 b11 | b02 b12 | b03 b13 |        b(k, column)
//
// `lanes_atom` below is the normative text: plain lanes, any element types. simd/arch/ has one atom per instruction.

#include <cstdint>
#include <type_traits>

#include "intaglio/simd/arch.hpp"
#include "intaglio/simd/unroll.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// What is multiplied and where it is summed: the element types of the packed operands and of the accumulator.
template <class Lhs, class Rhs, class Acc>
struct product {};

template <int M, int N, int K, class Lhs, class Rhs, class Acc>
struct lanes_atom {
    static constexpr int m = M, n = N, k = K;
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = Acc;
    struct accumulator {
        Acc v[M * N];
    };
    struct lhs_fragment {
        Lhs v[M * K];
    };
    struct rhs_fragment {
        Rhs v[N * K];
    };

    static accumulator zero() { return {}; }
    static lhs_fragment load_lhs(const Lhs* row, index row_stride) {
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
                    else
                        sum = static_cast<Acc>(sum + static_cast<Acc>(static_cast<Acc>(l.v[i * K + p]) * static_cast<Acc>(r.v[j * K + p])));
                }
                c.v[i * N + j] = sum;
            }
    }
    static void load(accumulator& c, const Acc* in, index row_stride) {
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) c.v[i * N + j] = in[i * row_stride + j];
    }
    static void store(const accumulator& c, Acc* out, index row_stride) {
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) out[i * row_stride + j] = c.v[i * N + j];
    }
};

/// The atom that an arch offers for a product: `atom_for<Arch, product<...>>`. Arches add overloads of `atom_of`, never defined, of which the one for
/// the nearest ancestor wins.
template <class L, class R, class A>
lanes_atom<1, 8, sizeof(L) == 1 ? 4 : sizeof(L) == 2 ? 2 : 1, L, R, A> atom_of(arch::portable, product<L, R, A>);
template <class L, class R>
lanes_atom<16, 16, 64, L, R, std::int32_t> atom_of(arch::portable_tile, product<L, R, std::int32_t>)
    requires(sizeof(L) == 1);

/// How many atoms make a register tile: `down` times m rows, `across` times n columns.
template <int Down, int Across>
struct tile_shape {
    static constexpr int down = Down, across = Across;
};
template <class Product>
tile_shape<4, 1> tile_of(arch::portable, Product);
template <class L, class R>
tile_shape<1, 1> tile_of(arch::portable_tile, product<L, R, std::int32_t>)
    requires(sizeof(L) == 1);

/// Whether an arch multiplies bytes into int32 as fast as it can multiply them at all; where it does not, bytes are widened to int16 while packing.
constexpr bool multiplies_bytes(arch::portable) { return false; }
constexpr bool multiplies_bytes(arch::portable_tile) { return true; }
/// Whether an arch has tiles that multiply any two byte planes, signed or not: then INT16 as two byte planes is worth it.
constexpr bool multiplies_byte_planes(arch::portable) { return false; }
constexpr bool multiplies_byte_planes(arch::portable_tile) { return true; }

/// A tile of Down x Across atoms held in registers: what one run of the micro-kernel accumulates into. Row-major (rows x cols) when stored.
template <class Atom, int Down, int Across>
class register_tile {
public:
    using lhs = typename Atom::lhs;
    using rhs = typename Atom::rhs;
    using lane = typename Atom::lane;
    static constexpr int rows = Down * Atom::m;
    static constexpr int cols = Across * Atom::n;

    INTAGLIO_INLINE void zero() {
        unroll<Down * Across>([&](auto e) __attribute__((always_inline)) { acc_[e] = Atom::zero(); });
    }

    /// Continues sums that `store` wrote.
    INTAGLIO_INLINE void load(const lane* in) {
        unroll<Down * Across>([&](auto e) __attribute__((always_inline)) {
            Atom::load(acc_[e], in + (e / Across) * Atom::m * cols + (e % Across) * Atom::n, cols);
        });
    }
    INTAGLIO_INLINE void store(lane* out) const {
        unroll<Down * Across>([&](auto e) __attribute__((always_inline)) {
            Atom::store(acc_[e], out + (e / Across) * Atom::m * cols + (e % Across) * Atom::n, cols);
        });
    }

    /// Adds `steps` steps of Atom::k products. Row i of lhs at step s starts at a + i * row_stride + s * step_stride; rhs is a
    /// packed panel, cols * k elements a step.
    ///
    /// Rows are reached from one pointer for each four of them, plus 0, 1, 2 or 3 strides: x86 adds those in the
    /// addressing mode, so fourteen rows take six registers and no spill.
    INTAGLIO_INLINE void run(const lhs* a, index row_stride, index step_stride, const rhs* b, index steps) {
        constexpr int groups = (Down + 3) / 4;
        const index atom_stride = row_stride * Atom::m;
        const index three = 3 * atom_stride;
        const lhs* base[groups];
        unroll<groups>([&](auto g) __attribute__((always_inline)) { base[g] = a + 4 * g * atom_stride; });
        for (index s = 0; s < steps; ++s) {
            typename Atom::rhs_fragment r[Across];
            unroll<Across>([&](auto j) __attribute__((always_inline)) { r[j] = Atom::load_rhs(b + j * Atom::n * Atom::k); });
            unroll<Down>([&](auto i) __attribute__((always_inline)) {
                constexpr int in_group = i % 4;
                const lhs* row = base[i / 4] + (in_group == 3 ? three : in_group * atom_stride);
                const auto l = Atom::load_lhs(row, row_stride);
                unroll<Across>([&](auto j) __attribute__((always_inline)) { Atom::step(acc_[i * Across + j], l, r[j]); });
            });
            unroll<groups>([&](auto g) __attribute__((always_inline)) { base[g] += step_stride; });
            b += cols * Atom::k;
        }
    }

    /// total(row, col) += sum * scale[col] for atoms that can multiply their sums by 8-bit scales while widening them.
    INTAGLIO_INLINE void multiply_add(std::int32_t* total, const std::int16_t* scales, bool fresh) const
        requires requires { Atom::scale_pair; }
    {
        unroll<Down * Across>([&](auto e) __attribute__((always_inline)) {
            std::int32_t* out = total + (e / Across) * Atom::m * cols + (e % Across) * Atom::n;
            Atom::multiply_add(acc_[e], scales + (e % Across) * Atom::n * 2, out, fresh);
        });
    }

private:
    typename Atom::accumulator acc_[Down * Across];
};

template <class Arch, class Product>
using atom_for = decltype(atom_of(Arch{}, Product{}));
template <class Arch, class Product>
using tile_for = decltype(tile_of(Arch{}, Product{}));

} // namespace intaglio::inline INTAGLIO_ABI::simd
