// SPDX-License-Identifier: Apache-2.0
#pragma once

// AMX: eight tile registers of 16 rows x 64 bytes, and products of bytes of any signs into int32, 16 x 16 x 64 at a
// time.
//
//   C (16 x 16 int32)  +=  A (16 x 64 bytes)  *  B (64 x 16 bytes, as 16 groups of [16 columns][4 bytes])
//
// A register tile is 2 x 2 atoms: four sums, two A, two B, eight registers and four loads for four products. Tile
// registers have no type in the language: an instruction names them by number. So the register tile below holds
// nothing, it *is* the thread's tile registers, and `atom_scope` is the time in which the thread has them.
//
// This header is the text; the instructions are its parameter: amx_instructions.hpp has the machine's, tests have an
// emulation.
//
// Tiles are configured for one block of a product at a time and released after it, some hundred cycles in a task of
// many microseconds. Configuring once for the life of a thread was refused: another library's kernel in the same thread
// would configure its own, and release them.

#include <cstdint>
#include <string_view>

#include "intaglio/core/error.hpp"
#include "intaglio/simd/register_tile.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// The operand of ldtilecfg: the shape of each tile register. All eight have the full 16 rows x 64 bytes.
struct alignas(64) tile_configuration {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(tile_configuration) == 64);

/// Bytes of any signs into int32, 16 x 16 x 64: tdpbssd, tdpbsud, tdpbusd, tdpbuud. `Tiles` has the instructions.
template <class Lhs, class Rhs, class Tiles>
struct amx_bytes {
    static_assert(sizeof(Lhs) == 1 && sizeof(Rhs) == 1);
    static constexpr int m = 16, n = 16, k = 64;
    static constexpr int rhs_group = 4;
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = std::int32_t;
};

/// The thread's tile registers as a tile of Down x Across sums. Between zero() and store() no other tile of the thread
/// may be used.
template <class Lhs, class Rhs, class Tiles, int Down, int Across>
class register_tile<amx_bytes<Lhs, Rhs, Tiles>, Down, Across, Across> {
    static_assert(Down <= 2 && Across <= 2, "eight tile registers hold at most 2 x 2 sums beside their operands");

public:
    using atom = amx_bytes<Lhs, Rhs, Tiles>;
    using lhs = Lhs;
    using rhs = Rhs;
    using lane = std::int32_t;
    static constexpr int rows = Down * atom::m;
    static constexpr int cols = Across * atom::n;

    INTAGLIO_INLINE void zero() {
        for_each_sum([](auto i, auto j) __attribute__((always_inline)) { Tiles::template zero<sum(i, j)>(); });
    }
    INTAGLIO_INLINE void load(const lane* in) {
        for_each_sum([&](auto i, auto j) __attribute__((always_inline)) {
            Tiles::template load<sum(i, j)>(in + place(i, j), row_bytes<lane>(cols));
        });
    }
    INTAGLIO_INLINE void store(lane* out) const {
        for_each_sum([&](auto i, auto j) __attribute__((always_inline)) {
            Tiles::template store<sum(i, j)>(out + place(i, j), row_bytes<lane>(cols));
        });
    }

    /// As of any register tile. lhs passes by once for each panel of rhs, so its loads ask the cache not to keep it.
    INTAGLIO_INLINE void run(const lhs* a, dim_t row_stride, dim_t step_stride, const rhs* b, dim_t steps) {
        for (dim_t s = 0; s < steps; ++s, a += step_stride, b += cols * atom::k) {
            for_each<Across>([&](auto j) __attribute__((always_inline)) {
                Tiles::template load<right(j)>(b + j * atom::n * atom::rhs_group,
                                               row_bytes<rhs>(cols * atom::rhs_group));
            });
            for_each<Down>([&](auto i) __attribute__((always_inline)) {
                Tiles::template stream<left(i)>(a + i * atom::m * row_stride, row_bytes<lhs>(row_stride));
                for_each<Across>([&](auto j) __attribute__((always_inline)) { multiply<i, j>(); });
            });
        }
    }

    /// The products of a step, of whatever the operands' registers hold: what run() could reach if loads were free.
    INTAGLIO_INLINE void multiply_only(dim_t steps) {
        for (dim_t s = 0; s < steps; ++s)
            for_each_sum([](auto i, auto j) __attribute__((always_inline)) { multiply<i, j>(); });
    }

private:
    // The numbers of the registers: sums 0 .. 3, lhs 4 and 5, rhs 6 and 7.
    static constexpr int sum(int i, int j) { return i * Across + j; }
    static constexpr int left(int i) { return 4 + i; }
    static constexpr int right(int j) { return 6 + j; }
    static constexpr dim_t place(int i, int j) { return i * atom::m * cols + j * atom::n; }
    template <class T>
    static constexpr dim_t row_bytes(dim_t elements) {
        return elements * static_cast<dim_t>(sizeof(T));
    }
    template <int i, int j>
    static INTAGLIO_INLINE void multiply() {
        Tiles::template multiply<Lhs, Rhs, sum(i, j), left(i), right(j)>();
    }
    template <int N, class F>
    static INTAGLIO_INLINE void for_each(F f) {
        [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
            (f(std::integral_constant<int, I>{}), ...);
        }
        (std::make_integer_sequence<int, N>{});
    }
    template <class F>
    static INTAGLIO_INLINE void for_each_sum(F f) {
        for_each<Down>([&](auto i) __attribute__((always_inline)) {
            for_each<Across>([&](auto j) __attribute__((always_inline)) { f(i, j); });
        });
    }
};

/// The time in which a thread has its tile registers. Throws intaglio::error where the operating system refuses them.
template <class Lhs, class Rhs, class Tiles>
struct atom_scope<amx_bytes<Lhs, Rhs, Tiles>> {
    atom_scope() {
        const std::string_view refused = Tiles::permission();
        if (!refused.empty())
            fail<error>("this program was compiled for AMX, but ", refused,
                        "; compile it for avx512_vnni, or let simd/dispatch.hpp choose");
        static constexpr tile_configuration all_full{};
        Tiles::configure(all_full);
    }
    ~atom_scope() { Tiles::release(); }
    atom_scope(const atom_scope&) = delete;
    atom_scope& operator=(const atom_scope&) = delete;
};

} // namespace intaglio::inline INTAGLIO_ABI::simd
