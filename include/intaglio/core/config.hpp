// SPDX-License-Identifier: Apache-2.0
#pragma once

// The compile-time configuration: the version, and the instruction set ("arch") that this translation unit is compiled
// for.
//
// Every name of the library lives in an inline namespace that is called after the arch. So a program may link objects
// that were compiled with different flags: the linker never replaces one object's inline function by another's, which
// would crash an older CPU with an instruction that it lacks. Users write `intaglio::gemm` and never see it.
//
// The macros of the library, all of them, are here:
//   INTAGLIO_VERSION_*  the version, for `#if` in a user's code
//   INTAGLIO_ARCH       the arch's name; taken from the compiler's flags, or defined by the user to ask for a lower one
//   INTAGLIO_ABI        the inline namespace
//   INTAGLIO_INLINE     for functions on register tiles, which must be inlined to keep the tile in registers

#define INTAGLIO_VERSION_MAJOR 0
#define INTAGLIO_VERSION_MINOR 1
#define INTAGLIO_VERSION_PATCH 0

#ifndef INTAGLIO_ARCH
// Clang before 16 writes __AMXINT8__.
#if (defined(__AMX_INT8__) || defined(__AMXINT8__)) && defined(__AVX512VNNI__) && defined(__AVX512BW__) &&             \
    defined(__AVX512DQ__) && defined(__AVX512VL__)
#define INTAGLIO_ARCH amx
#elif defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define INTAGLIO_ARCH avx512_vnni
#elif defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define INTAGLIO_ARCH avx512bw
#elif defined(__AVXVNNI__) && defined(__AVX2__) && defined(__FMA__)
#define INTAGLIO_ARCH avx_vnni
#elif defined(__AVX2__) && defined(__FMA__)
#define INTAGLIO_ARCH avx2
#elif defined(__SSE4_1__)
#define INTAGLIO_ARCH sse41
#elif defined(__ARM_FEATURE_DOTPROD)
#define INTAGLIO_ARCH neon_dot
#elif defined(__aarch64__)
#define INTAGLIO_ARCH neon
#else
#define INTAGLIO_ARCH portable
#endif
#endif

#define INTAGLIO_DETAIL_JOIN_(a, b) a##b
#define INTAGLIO_DETAIL_JOIN(a, b) INTAGLIO_DETAIL_JOIN_(a, b)
#define INTAGLIO_ABI INTAGLIO_DETAIL_JOIN(abi_, INTAGLIO_ARCH)

#define INTAGLIO_INLINE inline __attribute__((always_inline))

#include <cstddef>
#include <cstdint>

namespace intaglio::inline INTAGLIO_ABI {

/// Sizes, positions and strides, in elements. Signed, so that a difference and a negative stride need no cast.
using dim_t = std::ptrdiff_t;

namespace detail {

/// Whether the program is compiled with AddressSanitizer, which watches the heap.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool address_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool address_sanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool address_sanitizer = false;
#endif

} // namespace detail

} // namespace intaglio::inline INTAGLIO_ABI
