// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one core can do at best with an atom: the atom's own step on enough independent accumulators, its operands in
// registers or in a few lines of L1. No packing, no flush, no memory: the ceiling that kernels are measured against.
//
//   multiply-adds of one round = down * across * m * n * k
//
// Which shape reaches the ceiling depends on the number of registers, on the latency of a step and on what the compiler
// keeps where, so several are run, and the kernel's own loop too, and the best counts. Measured on Zen 5 with GCC 12.2,
// 256 bits, share of the best shape: FMA 0.46 to 1 (shapes that spill accumulators lose half, few chains wait for the
// latency of four); vpmaddwd + vpaddd 0.58 to 1, where six chains beat twelve by a quarter.

#include "intaglio/simd/native.hpp"
#include "intaglio/simd/register_tile.hpp"
#include "kernel_table.hpp"
#include "unroll.hpp"

#include <array>

namespace kernel_tables::INTAGLIO_ARCH {

namespace simd = ::intaglio::simd;

/// Tells the compiler that the object may have changed, so that no product can be moved out of the loop. Costs no
/// instruction.
template <class T>
INTAGLIO_INLINE void touch(T& object) {
    asm volatile("" : "+m"(object));
}

/// A tile atom's products on the register tile that the kernel uses, of whatever its operands' registers hold.
template <class Atom>
double run_tile_peak(std::ptrdiff_t rounds) noexcept {
    const simd::atom_scope<Atom> scope{};
    simd::register_tile<Atom, 2, 2> tile;
    tile.zero();
    tile.multiply_only(rounds);
    return static_cast<double>(rounds) * 4 * Atom::m * Atom::n * Atom::k;
}

template <class atom, int Down, int Across, bool Reload>
double run_vector_peak(std::ptrdiff_t rounds) noexcept {
    constexpr int unrolled = 4;

    alignas(64) typename atom::lhs lhs[atom::m * atom::k * Down + 64] = {};
    alignas(64) typename atom::rhs rhs[atom::n * atom::k * Across + 64] = {};
    alignas(64) typename atom::lane out[atom::m * atom::n];
    touch(lhs);
    touch(rhs);

    typename atom::accumulator sums[static_cast<std::size_t>(Down * Across)];
    typename atom::lhs_fragment left[static_cast<std::size_t>(Down)];
    typename atom::rhs_fragment right[static_cast<std::size_t>(Across)];
    unroll<Down>([&](auto i) __attribute__((always_inline)) {
        left[i] = atom::load_lhs(lhs + i * atom::m * atom::k, atom::k);
    });
    unroll<Across>([&](auto j)
                       __attribute__((always_inline)) { right[j] = atom::load_rhs(rhs + j * atom::n * atom::k); });
    unroll<Down * Across>([&](auto e) __attribute__((always_inline)) { sums[e] = atom::zero(); });
    for (std::ptrdiff_t r = 0; r < rounds; ++r)
        unroll<unrolled>([&](auto) __attribute__((always_inline)) {
            if constexpr (Reload) touch(left);
            touch(right);
            unroll<Down * Across>([&](auto e) __attribute__((always_inline)) {
                atom::step(sums[e], left[e / Across], right[e % Across]);
            });
        });
    unroll<Down * Across>([&](auto e) __attribute__((always_inline)) {
        atom::store(sums[e], out, atom::n);
        touch(out);
    });
    return static_cast<double>(rounds) * unrolled * Down * Across * atom::m * atom::n * atom::k;
}

/// The kernel's own loop on the kernel's register tile, its operands in L1.
template <class Product>
double run_loop_peak(std::ptrdiff_t rounds) noexcept {
    using atom = simd::atom_for<simd::native_arch, Product>;
    using tile_shape = simd::tile_for<simd::native_arch, Product>;
    if constexpr (atom::m > 1) {
        return run_tile_peak<atom>(rounds);
    } else {
        using tile_type = simd::register_tile<atom, tile_shape::down, tile_shape::across>;
        constexpr std::ptrdiff_t steps = 32, row = steps * atom::k;
        alignas(64) static typename atom::lhs lhs[tile_type::rows * row] = {};
        alignas(64) static typename atom::rhs rhs[tile_type::cols * row] = {};
        alignas(64) typename atom::lane out[tile_type::rows * tile_type::cols];
        tile_type tile;
        tile.zero();
        const std::ptrdiff_t runs = rounds / 8 + 1;
        for (std::ptrdiff_t r = 0; r < runs; ++r) {
            tile.run(lhs, row, atom::k, static_cast<const typename atom::rhs*>(rhs), steps);
            touch(lhs);
        }
        tile.store(out);
        touch(out);
        return static_cast<double>(runs) * tile_type::rows * tile_type::cols * row;
    }
}

/// Runs `rounds` rounds of a shape and returns the multiply-adds done. `Reload` reads the lhs fragments anew in each
/// round, which frees registers.
template <class Product, int Down, int Across, bool Reload, int Share>
double run_peak(std::ptrdiff_t rounds) noexcept {
    using atom = simd::atom_for<simd::native_arch, Product>;
    if constexpr (atom::m > 1)
        return run_tile_peak<atom>(rounds) / Share;
    else
        return run_vector_peak<atom, Down, Across, Reload>(rounds) / Share;
}

/// The shapes of one product under one name. Where one multiply-add takes several of the atom's products, `Share` is
/// how many.
template <class Product, int Share = 1>
constexpr std::array<peak, 10> peaks_of(const char* name) {
    return {{{name, run_peak<Product, 12, 1, false, Share>},
             {name, run_peak<Product, 10, 1, false, Share>},
             {name, run_peak<Product, 6, 1, false, Share>},
             {name, run_peak<Product, 4, 1, false, Share>},
             {name, run_peak<Product, 6, 2, false, Share>},
             {name, run_peak<Product, 6, 2, true, Share>},
             {name, run_peak<Product, 5, 2, false, Share>},
             {name, run_peak<Product, 4, 2, false, Share>},
             {name, run_peak<Product, 3, 2, false, Share>},
             {name, [](std::ptrdiff_t rounds) noexcept { return run_loop_peak<Product>(rounds) / Share; }}}};
}

} // namespace kernel_tables::INTAGLIO_ARCH
