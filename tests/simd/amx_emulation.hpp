// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tile registers of AMX and its instructions in plain code, from Intel's manual (Software Developer's Manual,
// volume 2, TDPBSSD and its neighbours): eight registers of 16 rows x 64 bytes per thread. It takes the place of
// simd/arch/amx_instructions.hpp, so that the text over the instructions (simd/arch/amx_tiles.hpp) and all above it run
// on machines without AMX. What it can't show is that the instructions themselves do this; only a machine with AMX can.
//
// Like the machine it refuses to work without a configuration. It also counts threads that have one, and forgets all on
// release.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "intaglio/simd/arch/amx_tiles.hpp"
#include "intaglio/simd/native.hpp"

namespace intaglio {

struct emulated_tiles {
    static inline std::atomic<int> configured{0}; ///< how many threads have their tiles
    static inline std::atomic<int> configurations{0};
    static inline std::string_view refusal{};

    static std::string_view permission() { return refusal; }

    static void configure(const simd::tile_configuration& c) {
        bool full = c.palette == 1 && c.start_row == 0;
        for (int t = 0; t < 8; ++t) full = full && c.rows[t] == 16 && c.row_bytes[t] == 64;
        if (!full) throw std::logic_error("emulated tiles: the configuration is not that of eight full tiles");
        if (state().ready) throw std::logic_error("emulated tiles: the thread has its tiles already");
        state() = {};
        state().ready = true;
        ++configured;
        ++configurations;
    }
    static void release() {
        state().ready = false;
        --configured;
    }

    template <int Tile>
    static void zero() {
        std::memset(tile(Tile), 0, 1024);
    }
    template <int Tile>
    static void load(const void* rows, dim_t stride) {
        for (dim_t r = 0; r < 16; ++r)
            std::memcpy(tile(Tile) + r * 64, static_cast<const char*>(rows) + r * stride, 64);
    }
    template <int Tile>
    static void stream(const void* rows, dim_t stride) {
        load<Tile>(rows, stride);
    }
    template <int Tile>
    static void store(void* rows, dim_t stride) {
        for (dim_t r = 0; r < 16; ++r) std::memcpy(static_cast<char*>(rows) + r * stride, tile(Tile) + r * 64, 64);
    }
    /// c[m][n] += sum over i of a[m][4 k + i] * b[k][4 n + i], wrapping.
    template <class A, class B, int Sums, int a, int b>
    static void multiply() {
        static_assert(Sums != a && Sums != b && a != b, "tdp: the three registers differ");
        for (int m = 0; m < 16; ++m)
            for (int n = 0; n < 16; ++n) {
                std::uint32_t sum;
                std::memcpy(&sum, tile(Sums) + m * 64 + n * 4, 4);
                for (int k = 0; k < 16; ++k)
                    for (int i = 0; i < 4; ++i)
                        sum += static_cast<std::uint32_t>(byte<A>(tile(a)[m * 64 + 4 * k + i]) *
                                                          byte<B>(tile(b)[k * 64 + 4 * n + i]));
                std::memcpy(tile(Sums) + m * 64 + n * 4, &sum, 4);
            }
    }

private:
    struct registers {
        bool ready = false;
        unsigned char bytes[8][1024] = {};
    };
    static registers& state() {
        thread_local registers r;
        return r;
    }
    static unsigned char* tile(int number) {
        if (!state().ready) throw std::logic_error("emulated tiles: used without a configuration");
        return state().bytes[number];
    }
    template <class T>
    static int byte(unsigned char bits) {
        return static_cast<T>(bits);
    }
};

/// This program's arch with the emulated tiles beside it, as simd/arch/amx.hpp puts the machine's beside AVX-512 VNNI.
struct emulated_amx : simd::native_arch {
    static constexpr const char* name = "emulated_amx";
};
template <class L, class R>
simd::amx_bytes<L, R, emulated_tiles>
    atom_of(emulated_amx, simd::product<L, R, std::int32_t>) requires(sizeof(L) == 1 && sizeof(R) == 1);
template <class L, class R>
simd::tile_shape<2, 2> tile_of(emulated_amx,
                               simd::product<L, R, std::int32_t>) requires(sizeof(L) == 1 && sizeof(R) == 1);
constexpr bool multiplies_bytes(emulated_amx) { return true; }
constexpr bool multiplies_signed_bytes(emulated_amx) { return true; }
constexpr bool multiplies_byte_planes(emulated_amx) { return true; }

} // namespace intaglio
