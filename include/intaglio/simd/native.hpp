// SPDX-License-Identifier: Apache-2.0
#pragma once

// The atoms of this translation unit's arch. A new instruction set is one file in simd/arch and one line here.

#include "intaglio/simd/atom.hpp"

#if defined(__x86_64__)
#if (defined(__AMX_INT8__) || defined(__AMXINT8__)) && defined(__AVX512VNNI__) && defined(__AVX512BW__) &&             \
    defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "intaglio/simd/arch/amx.hpp"
#elif defined(__AVX512VNNI__) && defined(__AVX512BW__)
#include "intaglio/simd/arch/avx512_vnni.hpp"
#elif defined(__AVX512BW__)
#include "intaglio/simd/arch/avx512bw.hpp"
#elif defined(__AVXVNNI__)
#include "intaglio/simd/arch/avx_vnni.hpp"
#elif defined(__AVX2__)
#include "intaglio/simd/arch/avx2.hpp"
#elif defined(__SSE4_1__)
#include "intaglio/simd/arch/sse41.hpp"
#endif
#elif defined(__ARM_FEATURE_DOTPROD)
#include "intaglio/simd/arch/neon_dot.hpp"
#elif defined(__aarch64__)
#include "intaglio/simd/arch/neon.hpp"
#endif
