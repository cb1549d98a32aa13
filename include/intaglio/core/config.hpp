// SPDX-License-Identifier: Apache-2.0
#pragma once

// The compile-time configuration: the version, and the instruction set ("arch") that this translation unit is compiled
// for. Every name of the library lives in an inline namespace that is called after it and the other flags
// (core/abi.hpp).
//
// The macros of the library, all of them, are here and there:
//   INTAGLIO_VERSION_*  the version, for `#if` in a user's code
//   INTAGLIO_ARCH       the arch's name; taken from the compiler's flags, or defined by the user to ask for a lower one
//   INTAGLIO_ABI        the inline namespace
//   INTAGLIO_INLINE     for functions on register tiles, which must be inlined to keep the tile in registers
//   INTAGLIO_DETAIL_*   what these are made of

// A compiler that is asked for an older standard says one sentence, not a thousand errors about what that one lacks:
// it goes on after an #error, but not without a file.
#if __cplusplus < 202002L
#error "Intaglio is written in C++20: compile with -std=c++20 or later"
#include <intaglio/needs/c++20>
#endif

#include <cstddef>
#include <cstdint>

#include "intaglio/core/abi.hpp"

#define INTAGLIO_VERSION_MAJOR 0
#define INTAGLIO_VERSION_MINOR 1
#define INTAGLIO_VERSION_PATCH 0

// Flags under which the library can't keep its promises are refused (docs/conditions.md).
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||                         \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Intaglio: results rest on IEEE arithmetic; compile without -ffast-math, -Ofast and their parts"
#endif
#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "Intaglio: results rest on IEEE arithmetic; compile with float and double computed as such (-mfpmath=sse)"
#endif
#if defined(__clang__)
// Clang has no macros for the parts of -ffast-math, but refuses this pragma under each of them that changes results.
// The comment behind it is in its message. Nothing stays switched on.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wignored-pragmas" // on targets that don't know it
#pragma float_control(push)
#pragma float_control(except, on) // Intaglio: results rest on IEEE arithmetic; compile without -ffast-math
#pragma float_control(pop)
#pragma clang diagnostic pop
#endif
#if !defined(__cpp_exceptions)
#error "Intaglio: faults are reported by exceptions; compile without -fno-exceptions"
#endif

// The best arch that the flags have. Clang before 16 writes __AMXINT8__.
#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512VNNI__) &&              \
    defined(__FMA__) && (defined(__AMX_INT8__) || defined(__AMXINT8__))
#define INTAGLIO_DETAIL_BEST_ARCH amx
#elif defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512VNNI__) &&            \
    defined(__FMA__)
#define INTAGLIO_DETAIL_BEST_ARCH avx512_vnni
#elif defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__FMA__)
#define INTAGLIO_DETAIL_BEST_ARCH avx512bw
#elif defined(__AVXVNNI__) && defined(__AVX2__) && defined(__FMA__)
#define INTAGLIO_DETAIL_BEST_ARCH avx_vnni
#elif defined(__AVX2__) && defined(__FMA__)
#define INTAGLIO_DETAIL_BEST_ARCH avx2
#elif defined(__SSE4_1__)
#define INTAGLIO_DETAIL_BEST_ARCH sse41
#elif defined(__ARM_FEATURE_DOTPROD)
#define INTAGLIO_DETAIL_BEST_ARCH neon_dot
#elif defined(__aarch64__)
#define INTAGLIO_DETAIL_BEST_ARCH neon
#else
#define INTAGLIO_DETAIL_BEST_ARCH portable
#endif

// A rank for `#if`: an arch extends only such as have lower ranks (simd/arch.hpp).
#define INTAGLIO_DETAIL_RANK_portable 0
#define INTAGLIO_DETAIL_RANK_sse41 1
#define INTAGLIO_DETAIL_RANK_avx2 2
#define INTAGLIO_DETAIL_RANK_avx_vnni 3
#define INTAGLIO_DETAIL_RANK_avx512bw 4
#define INTAGLIO_DETAIL_RANK_avx512_vnni 5
#define INTAGLIO_DETAIL_RANK_amx 6
#define INTAGLIO_DETAIL_RANK_neon 11
#define INTAGLIO_DETAIL_RANK_neon_dot 12
#define INTAGLIO_DETAIL_RANK_OF(arch) INTAGLIO_DETAIL_JOIN(INTAGLIO_DETAIL_RANK_, arch)

// Flags that begin to name a better arch than they have are slower than meant. That is said once, as a message, which
// -Werror leaves alone; a program that defines INTAGLIO_ARCH means it.
#ifndef INTAGLIO_ARCH
#define INTAGLIO_ARCH INTAGLIO_DETAIL_BEST_ARCH
#if defined(__AVX2__) && !defined(__FMA__)
#pragma message("Intaglio: AVX2 without FMA has the kernels of SSE4.1: add -mfma; or -DINTAGLIO_ARCH=sse41 if meant")
#elif defined(__AVX512F__) && !(defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__))
#pragma message("Intaglio: AVX-512 without BW, DQ, VL has AVX2's kernels: add them; or -DINTAGLIO_ARCH=avx2 if meant")
#elif (defined(__AMX_INT8__) || defined(__AMXINT8__)) && !defined(__AVX512VNNI__)
#pragma message("Intaglio: AMX needs AVX-512-VNNI beside it: add -mavx512vnni; or define INTAGLIO_ARCH if meant")
#endif
#elif INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) > INTAGLIO_DETAIL_RANK_OF(INTAGLIO_DETAIL_BEST_ARCH) ||                   \
    (INTAGLIO_DETAIL_RANK_OF(INTAGLIO_ARCH) == INTAGLIO_DETAIL_RANK_avx_vnni && !defined(__AVXVNNI__))
#error "INTAGLIO_ARCH names an instruction set that the compiler's flags do not have: add the flags or name a lower one"
#endif

#define INTAGLIO_INLINE inline __attribute__((always_inline))

namespace intaglio::inline INTAGLIO_ABI {

/// Sizes, positions and strides, in elements. Signed, so that a difference and a negative stride need no cast.
using dim_t = std::ptrdiff_t;

namespace detail {

/// Whether the program is compiled with AddressSanitizer, which watches the heap.
inline constexpr bool address_sanitizer = INTAGLIO_DETAIL_ADDRESS_SANITIZER == 1;

} // namespace detail

} // namespace intaglio::inline INTAGLIO_ABI
