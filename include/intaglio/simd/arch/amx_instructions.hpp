// SPDX-License-Identifier: Apache-2.0
#pragma once

// The instructions of AMX-TILE and AMX-INT8 (Intel, Sapphire Rapids and later), by the number of the tile register.
// They are written in assembly: the intrinsics of GCC 12 are macros that paste the register's number into a name, so it
// can't be a template argument.

#include <string_view>
#include <type_traits>

#include "intaglio/simd/arch/amx_tiles.hpp"
#include "intaglio/simd/arch/cpu.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

struct amx_instructions {
    /// Empty, or why this process may not use tiles.
    static std::string_view permission() { return detail::request_tiles(); }
    static INTAGLIO_INLINE void configure(const tile_configuration& c) { asm volatile("ldtilecfg %0" : : "m"(c)); }
    static INTAGLIO_INLINE void release() { asm volatile("tilerelease"); }

    template <int Tile>
    static INTAGLIO_INLINE void zero() {
        asm volatile("{tilezero %%tmm%c0|tilezero tmm%c0}" : : "i"(Tile));
    }
    /// 16 rows of 64 bytes, `stride` bytes apart.
    template <int Tile>
    static INTAGLIO_INLINE void load(const void* rows, dim_t stride) {
        asm volatile("{tileloadd (%0,%1,1), %%tmm%c2|tileloadd tmm%c2, [%0+%1*1]}"
                     :
                     : "r"(rows), "r"(stride), "i"(Tile)
                     : "memory");
    }
    /// The same for data that need not stay in the cache.
    template <int Tile>
    static INTAGLIO_INLINE void stream(const void* rows, dim_t stride) {
        asm volatile("{tileloaddt1 (%0,%1,1), %%tmm%c2|tileloaddt1 tmm%c2, [%0+%1*1]}"
                     :
                     : "r"(rows), "r"(stride), "i"(Tile)
                     : "memory");
    }
    template <int Tile>
    static INTAGLIO_INLINE void store(void* rows, dim_t stride) {
        asm volatile("{tilestored %%tmm%c2, (%0,%1,1)|tilestored [%0+%1*1], tmm%c2}"
                     :
                     : "r"(rows), "r"(stride), "i"(Tile)
                     : "memory");
    }

    /// sums += a * b; the names of the instructions tell the signs of a, then of b.
    template <class A, class B, int Sums, int a, int b>
    static INTAGLIO_INLINE void multiply() {
        constexpr bool signed_a = std::is_signed_v<A>, signed_b = std::is_signed_v<B>;
        if constexpr (signed_a && signed_b)
            asm volatile("{tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbssd tmm%c0, tmm%c1, tmm%c2}"
                         :
                         : "i"(Sums), "i"(a), "i"(b));
        else if constexpr (signed_a)
            asm volatile("{tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbsud tmm%c0, tmm%c1, tmm%c2}"
                         :
                         : "i"(Sums), "i"(a), "i"(b));
        else if constexpr (signed_b)
            asm volatile("{tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbusd tmm%c0, tmm%c1, tmm%c2}"
                         :
                         : "i"(Sums), "i"(a), "i"(b));
        else
            asm volatile("{tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbuud tmm%c0, tmm%c1, tmm%c2}"
                         :
                         : "i"(Sums), "i"(a), "i"(b));
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::simd
