// SPDX-License-Identifier: Apache-2.0
#pragma once

// The register tile: as many atoms (simd/atom.hpp) as an arch has registers for, Down x Across of them. It is what the
// micro-kernel accumulates a chain in, and the inner loop of the library: `run` adds the products of consecutive steps,
// each of which multiplies every fragment of lhs with every fragment of rhs.
//
// A tile of few atoms keeps several sets of sums, which hide an instruction's latency; such tiles also take narrow
// codes (simd/expand.hpp) and expand them on the way.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "intaglio/simd/arch/opaque.hpp"
#include "intaglio/simd/atom.hpp"
#include "intaglio/simd/expand.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// The fragment of a packed rhs that lies `offset` elements from b.
template <class Atom>
INTAGLIO_INLINE typename Atom::rhs_fragment load_fragment(const typename Atom::rhs* b, dim_t offset) {
    return Atom::load_rhs(b + offset);
}
template <class Atom, int Bits>
INTAGLIO_INLINE typename Atom::rhs_fragment load_fragment(const narrow_codes<Bits>& b, dim_t offset) {
    return b.template load<Atom>(offset);
}
/// Elements that a packed rhs can be advanced by: any number, or whole groups of codes.
template <class Rhs>
constexpr dim_t advance_unit = 1;
template <int Bits>
inline constexpr dim_t advance_unit<narrow_codes<Bits>> = narrow_group<Bits>;

/// How many sets of its sums a tile keeps: several where there are too few to hide an instruction's latency, of atoms
/// that say how sums are added. An addition of its own, as atoms with partial sums have it, takes one cycle.
template <class Atom>
constexpr int sets_of_sums(int sums) {
    if constexpr (requires { &Atom::add; }) return sums >= 8 ? 1 : sums >= 4 || requires {
            Atom::partial_sums;
        }
    ? 2 : 4;
    return 1;
}

/// A tile of Down x Across atoms held in registers: what one run of the micro-kernel accumulates into. Row-major (rows
/// x cols) when stored.
///
/// rhs and what is stored have columns for Pitch >= Across atoms, of which the first Across are multiplied; the others
/// are left alone.
///
/// Loops over the tile are folds over index packs, so that every register has a constant name.
template <class Atom, int Down, int Across, int Pitch = Across>
class register_tile {
public:
    using lhs = typename Atom::lhs;
    using rhs = typename Atom::rhs;
    using lane = typename Atom::lane;
    static constexpr int rows = Down * Atom::m;
    static constexpr int cols = Pitch * Atom::n;

    INTAGLIO_INLINE void zero() { zero(atoms{}); }
    /// Continues sums that `store` wrote.
    INTAGLIO_INLINE void load(const lane* in) { load(in, atoms{}); }
    INTAGLIO_INLINE void store(lane* out) const { store(out, atoms{}); }
    /// Calls f(row, column, sums) for each register of sums, as a vector of lanes; atoms of one row whose sums are
    /// lanes.
    template <class F>
    INTAGLIO_INLINE void for_each_sums(F&& f) {
        static_assert(Atom::m == 1 && sizeof(accumulator) == Atom::n * sizeof(lane));
        for_each_sums(f, atoms{});
    }
    /// Moves all but the low carry_bits of each sum to memory: high = from + (sum >> carry_bits).
    INTAGLIO_INLINE void carry(const lane* from, lane* high) { carry(from, high, atoms{}); }

    /// Adds `steps` steps of Atom::k products. Row i of lhs at step s starts at a + i * row_stride + s * step_stride;
    /// rhs is a packed panel, cols * k elements a step.
    ///
    /// `Rhs` is a pointer, or narrow_codes that tiles of few rows expand on the way.
    template <class Rhs>
    INTAGLIO_INLINE void run(const lhs* a, dim_t row_stride, dim_t step_stride, Rhs b, dim_t steps) {
        constexpr dim_t round = sets_of_sums * step_elements,
                        turn = sets_of_sums * std::max<dim_t>(1, advance_unit<Rhs> / round);
        run(a, row_stride, step_stride, b, steps, std::make_integer_sequence<int, turn>{},
            std::make_integer_sequence<int, sets_of_sums>{}, std::make_integer_sequence<int, (Down + 3) / 4>{}, down{},
            across{});
    }

    /// Calls f(row, column, from + sums * scale of the column) for each register of sums, as a vector of int32, for
    /// atoms that can multiply their sums by 8-bit scales while widening them.
    template <class F>
    INTAGLIO_INLINE void for_each_scaled(const std::int32_t* from, const std::uint8_t* scales, F&& f) {
        for_each_scaled(from, scales, f, atoms{}, across{});
    }
    /// to = from + sums * scale of the column.
    INTAGLIO_INLINE void multiply_add(const std::int32_t* from, const std::uint8_t* scales, std::int32_t* to) {
        std::int32_t* const out = opaque(to); // as in for_each_scaled
        for_each_scaled(
            from, scales, [&](int row, int col, auto total) __attribute__((always_inline)) {
                store_vector(out + row * cols + col, total);
            });
    }

private:
    using accumulator = typename Atom::accumulator;
    using tile_sums = accumulator[static_cast<std::size_t>(Down * Across)];
    using row_of_rhs = typename Atom::rhs_fragment[static_cast<std::size_t>(Across)];
    using atoms = std::make_integer_sequence<int, Down * Across>;
    using down = std::make_integer_sequence<int, Down>;
    using across = std::make_integer_sequence<int, Across>;
    static constexpr int sets_of_sums = simd::sets_of_sums<Atom>(Down * Across);
    static constexpr dim_t step_elements = cols * Atom::k;
    /// Where atom e begins in the row-major tile.
    static constexpr int place(int e) { return (e / Across) * Atom::m * cols + (e % Across) * Atom::n; }

    template <int... E>
    INTAGLIO_INLINE void zero(std::integer_sequence<int, E...>) {
        ((acc_[E] = Atom::zero()), ...);
    }
    template <int... E>
    INTAGLIO_INLINE void load(const lane* in, std::integer_sequence<int, E...>) {
        (Atom::load(acc_[E], in + place(E), cols), ...);
    }
    template <int... E>
    INTAGLIO_INLINE void store(lane* out, std::integer_sequence<int, E...>) const {
        (Atom::store(acc_[E], out + place(E), cols), ...);
    }
    template <class F, int... E>
    INTAGLIO_INLINE void for_each_sums(F& f, std::integer_sequence<int, E...>) {
        if constexpr (std::is_integral_v<lane>) (hold(acc_[E]), ...); // as in for_each_scaled
        (f(E / Across, E % Across * Atom::n, lanes_of(acc_[E])), ...);
    }
    static INTAGLIO_INLINE vector<lane, Atom::n> lanes_of(const accumulator& sums) {
        vector<lane, Atom::n> v;
        std::memcpy(&v, &sums, sizeof v);
        return v;
    }
    template <int... E>
    INTAGLIO_INLINE void carry(const lane* from, lane* high, std::integer_sequence<int, E...>) {
        (Atom::carry(acc_[E], from + place(E), high + place(E), cols), ...);
    }
    template <class F, int... E, int... J>
    INTAGLIO_INLINE void for_each_scaled(const std::int32_t* from, const std::uint8_t* scales, F& f,
                                         std::integer_sequence<int, E...>, std::integer_sequence<int, J...>) {
        using totals = typename Atom::totals;
        const typename Atom::scale_fragment columns[] = {Atom::load_scales(scales + J * Atom::n)...};
        // Without these, GCC 12 keeps totals in registers from call to call, and spills the sums in every step of
        // `run`.
        (hold(acc_[E]), ...);
        const std::int32_t* const before = opaque(from);
        (f(E / Across, E % Across * Atom::n,
           Atom::multiply_add(load_vector<totals>(before + place(E)), acc_[E], columns[E % Across])),
         ...);
    }

    /// `Step` steps in turn, as many as make whole groups of narrow codes, use one set of sums after the other.
    ///
    /// Rows are reached from one pointer for each four of them, plus 0, 1, 2 or 3 strides: x86 adds those in the
    /// addressing mode, so fourteen rows take six registers and no spill.
    template <class Rhs, int... Step, int... Set, int... G, int... I, int... J>
    INTAGLIO_INLINE void run(const lhs* a, dim_t row_stride, dim_t step_stride, Rhs b, dim_t steps,
                             std::integer_sequence<int, Step...>, std::integer_sequence<int, Set...> sets,
                             std::integer_sequence<int, G...>, std::integer_sequence<int, I...>,
                             std::integer_sequence<int, J...> columns) {
        constexpr std::size_t turn = sizeof...(Step);
        const dim_t atom_stride = row_stride * Atom::m, three = 3 * atom_stride;
        const lhs* base[] = {(a + 4 * G * atom_stride)...};
        tile_sums c[sizeof...(Set)];
        if constexpr (sets_of_sums == 1)
            copy(c[0], acc_, atoms{});
        else
            (fill(c[Set], atoms{}), ...);
        const auto step = [&]<int S>(std::integral_constant<int, S>) __attribute__((always_inline)) {
            const row_of_rhs r = {load_fragment<Atom>(b, S * step_elements + J * Atom::n * Atom::k)...};
            (row<I>(
                 c[S % sizeof...(Set)],
                 Atom::load_lhs(base[I / 4] + S * step_stride + (I % 4 == 3 ? three : I % 4 * atom_stride), row_stride),
                 r, columns),
             ...);
        };
        const auto run_turn = [&]() __attribute__((always_inline)) {
            (step(std::integral_constant<int, Step>{}), ...);
            ((base[G] += static_cast<dim_t>(turn) * step_stride), ...);
            if constexpr (sets_of_sums > 1) {
                (hold_set(c[Set], atoms{}), ...);   // otherwise GCC 12 moves every sum to another register and back,
                ((base[G] = opaque(base[G])), ...); // and makes a second loop for a stride of one
            } else if constexpr (Down * Across >= 8) {
                for (dim_t line = 0; line < step_elements; line += 64 / static_cast<dim_t>(sizeof(rhs)))
                    __builtin_prefetch(b + 8 * step_elements + line);
            }
            b = b + turn * step_elements;
        };
        std::size_t turns = static_cast<std::size_t>(steps) / turn;
        if (sets_of_sums > 1 && turns > 0) { // apart, so that products are not added to zeros
            run_turn();
            --turns;
        }
        for (; turns > 0; --turns) run_turn();
        if constexpr (sets_of_sums == 1) {
            copy(acc_, c[0], atoms{});
        } else {
            static_cast<void>(
                ((Step < static_cast<std::size_t>(steps) % turn && (step(std::integral_constant<int, Step>{}), true)) &&
                 ...));
            add_sets(c, b, sets, atoms{});
        }
    }
    template <std::size_t Sets, int... Set, int... E>
    INTAGLIO_INLINE void add_sets(const tile_sums (&c)[Sets], const rhs*, std::integer_sequence<int, Set...>,
                                  std::integer_sequence<int, E...>) {
        const auto add = [&](const tile_sums& set) __attribute__((always_inline)) {
            ((acc_[E] = Atom::add(acc_[E], set[E])), ...);
        };
        (add(c[Set]), ...);
    }
    template <std::size_t Sets, int Bits, int... Set, int... E>
    INTAGLIO_INLINE void add_sets(const tile_sums (&c)[Sets], const narrow_codes<Bits>& b,
                                  std::integer_sequence<int, Set...> sets, std::integer_sequence<int, E...>) {
        static_assert(Sets * step_elements % (2 * 64) == 0, "a set's fragments have one weight");
        (add_narrow<E>(c, b, sets), ...);
    }
    /// Adds an atom's sums of products with narrow fragments, put right (simd/expand.hpp).
    template <int E, std::size_t Sets, int Bits, int... Set>
    INTAGLIO_INLINE void add_narrow(const tile_sums (&c)[Sets], const narrow_codes<Bits>& b,
                                    std::integer_sequence<int, Set...>) {
        constexpr auto weight = [](int set) {
            return narrow_codes<Bits>::weight(set * step_elements + E % Across * Atom::n * Atom::k);
        };
        accumulator sum = broadcast(b.correction(E / Across)), quadruple = Atom::zero();
        ((weight(Set) == 0 ? sum = Atom::add(sum, c[Set][E]) : quadruple = Atom::add(quadruple, c[Set][E])), ...);
        acc_[E] = Atom::add(acc_[E], Atom::add(sum, quarter(quadruple)));
    }
    /// A quarter of sums that have no sign.
    static INTAGLIO_INLINE accumulator quarter(accumulator c) {
        constexpr bool halves = requires { Atom::partial_sums; };
        using part = std::conditional_t<halves, std::uint16_t, std::uint32_t>;
        using parts = vector<part, sizeof(accumulator) / sizeof(part)>;
        return reinterpret_cast<accumulator>(reinterpret_cast<parts>(c) >> 2);
    }
    static INTAGLIO_INLINE accumulator broadcast(std::int32_t lanes) {
        return reinterpret_cast<accumulator>(vector<std::int32_t, sizeof(accumulator) / 4>{} + lanes);
    }
    template <int I, int... J>
    static INTAGLIO_INLINE void row(tile_sums& c, const typename Atom::lhs_fragment& l, const row_of_rhs& r,
                                    std::integer_sequence<int, J...>) {
        (Atom::step(c[I * Across + J], l, r[J]), ...);
    }
    template <int... E>
    static INTAGLIO_INLINE void fill(tile_sums& c, std::integer_sequence<int, E...>) {
        ((c[E] = Atom::zero()), ...);
    }
    template <int... E>
    static INTAGLIO_INLINE void hold_set(tile_sums& c, std::integer_sequence<int, E...>) {
        (hold(c[E]), ...);
    }
    template <int... E>
    static INTAGLIO_INLINE void copy(tile_sums& to, const tile_sums& from, std::integer_sequence<int, E...>) {
        ((to[E] = from[E]), ...);
    }

    tile_sums acc_;
};

} // namespace intaglio::inline INTAGLIO_ABI::simd
