// SPDX-License-Identifier: Apache-2.0
#pragma once

// AMX beside AVX-512 VNNI: bytes of any signs go to the tiles (amx_tiles.hpp), the rest to the vectors. INT16 becomes
// two byte planes, four products of which are faster than one of int16 in vectors.

#include "intaglio/simd/arch/amx_instructions.hpp"
#include "intaglio/simd/arch/amx_tiles.hpp"
#include "intaglio/simd/arch/avx512_vnni.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

template <class L, class R>
amx_bytes<L, R, amx_instructions> atom_of(arch::amx,
                                          product<L, R, std::int32_t>) requires(sizeof(L) == 1 && sizeof(R) == 1);
template <class L, class R>
tile_shape<2, 2> tile_of(arch::amx, product<L, R, std::int32_t>) requires(sizeof(L) == 1 && sizeof(R) == 1);
constexpr bool multiplies_signed_bytes(arch::amx) { return true; }
constexpr bool multiplies_byte_planes(arch::amx) { return true; }

} // namespace intaglio::inline INTAGLIO_ABI::simd
