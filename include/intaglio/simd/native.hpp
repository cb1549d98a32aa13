// SPDX-License-Identifier: Apache-2.0
#pragma once

// The atoms of this translation unit's arch. A new instruction set is one file in simd/arch and one line here.

#include "intaglio/simd/atom.hpp"

#if INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_amx
#include "intaglio/simd/arch/amx.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_avx512_vnni
#include "intaglio/simd/arch/avx512_vnni.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_avx512bw
#include "intaglio/simd/arch/avx512bw.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_avx_vnni
#include "intaglio/simd/arch/avx_vnni.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_avx2
#include "intaglio/simd/arch/avx2.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_sse41
#include "intaglio/simd/arch/sse41.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_neon_dot
#include "intaglio/simd/arch/neon_dot.hpp"
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_neon
#include "intaglio/simd/arch/neon.hpp"
#endif
