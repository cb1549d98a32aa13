// SPDX-License-Identifier: Apache-2.0
#pragma once

// The inline namespace that every name of the library lives in. It is called after the arch (core/config.hpp) and after
// all flags that change the code or the layout of what is inline, as in abi_avx2_ff80000000000_2: a hexadecimal digit
// for each four of them.
//
// So a program may link objects that were compiled with different flags. Were the namespace one, an inline function of
// both would be one function to the linker, and an older CPU may get the copy with an instruction that it lacks. Users
// write `intaglio::gemm` and never see it; what a unit of one set of flags asks of a unit of another does not link.
// The option refused, and its limits: docs/decisions/0001-namespace-per-arch.md.

#include <cstddef> // also tells the standard library's own flags

#define INTAGLIO_DETAIL_JOIN_(a, b) a##b
#define INTAGLIO_DETAIL_JOIN(a, b) INTAGLIO_DETAIL_JOIN_(a, b)
#define INTAGLIO_DETAIL_JOIN4_(a, b, c, d) a##b##c##d
#define INTAGLIO_DETAIL_JOIN4(a, b, c, d) INTAGLIO_DETAIL_JOIN4_(a, b, c, d)

// 1 for a macro that is defined as 1 or as nothing, otherwise 0: the second word of `0, 1, 0` or `..._SET_other 1, 0`.
#define INTAGLIO_DETAIL_SET_ 0,
#define INTAGLIO_DETAIL_SET_1 0,
#define INTAGLIO_DETAIL_SECOND_(first, second, ...) second
#define INTAGLIO_DETAIL_SECOND(...) INTAGLIO_DETAIL_SECOND_(__VA_ARGS__)
#define INTAGLIO_DETAIL_BIT_(value) INTAGLIO_DETAIL_SECOND(INTAGLIO_DETAIL_SET_##value 1, 0, 0)
#define INTAGLIO_DETAIL_BIT(macro) INTAGLIO_DETAIL_BIT_(macro)

// Four such macros as a hexadecimal digit.
#define INTAGLIO_DETAIL_HEX_0000 0
#define INTAGLIO_DETAIL_HEX_0001 1
#define INTAGLIO_DETAIL_HEX_0010 2
#define INTAGLIO_DETAIL_HEX_0011 3
#define INTAGLIO_DETAIL_HEX_0100 4
#define INTAGLIO_DETAIL_HEX_0101 5
#define INTAGLIO_DETAIL_HEX_0110 6
#define INTAGLIO_DETAIL_HEX_0111 7
#define INTAGLIO_DETAIL_HEX_1000 8
#define INTAGLIO_DETAIL_HEX_1001 9
#define INTAGLIO_DETAIL_HEX_1010 a
#define INTAGLIO_DETAIL_HEX_1011 b
#define INTAGLIO_DETAIL_HEX_1100 c
#define INTAGLIO_DETAIL_HEX_1101 d
#define INTAGLIO_DETAIL_HEX_1110 e
#define INTAGLIO_DETAIL_HEX_1111 f
#define INTAGLIO_DETAIL_BITS(a, b, c, d)                                                                               \
    INTAGLIO_DETAIL_JOIN4(INTAGLIO_DETAIL_BIT(a), INTAGLIO_DETAIL_BIT(b), INTAGLIO_DETAIL_BIT(c),                      \
                          INTAGLIO_DETAIL_BIT(d))
#define INTAGLIO_DETAIL_DIGIT(a, b, c, d) INTAGLIO_DETAIL_JOIN(INTAGLIO_DETAIL_HEX_, INTAGLIO_DETAIL_BITS(a, b, c, d))

// What lets the compiler use more instructions by itself. tests/headers/check_flags.py compares the list with all that
// the compiler at hand defines.
// clang-format off
#if defined(__x86_64__)
#define INTAGLIO_DETAIL_DIGITS_1                                                                                       \
    INTAGLIO_DETAIL_JOIN4(                                                                                             \
        INTAGLIO_DETAIL_DIGIT(__SSE3__, __SSSE3__, __SSE4_1__, __SSE4_2__),                                            \
        INTAGLIO_DETAIL_DIGIT(__AVX__, __AVX2__, __FMA__, __F16C__),                                                   \
        INTAGLIO_DETAIL_DIGIT(__POPCNT__, __LZCNT__, __BMI__, __BMI2__),                                               \
        INTAGLIO_DETAIL_DIGIT(__MOVBE__, __PRFCHW__, __GFNI__, __APX_F__))
#define INTAGLIO_DETAIL_DIGITS_2                                                                                       \
    INTAGLIO_DETAIL_JOIN4(                                                                                             \
        INTAGLIO_DETAIL_DIGIT(__AVX512F__, __AVX512CD__, __AVX512DQ__, __AVX512BW__),                                  \
        INTAGLIO_DETAIL_DIGIT(__AVX512VL__, __AVX512VNNI__, __AVX512IFMA__, __AVX512BF16__),                           \
        INTAGLIO_DETAIL_DIGIT(__AVX512VBMI__, __AVX512VBMI2__, __AVX512BITALG__, __AVX512VPOPCNTDQ__),                 \
        INTAGLIO_DETAIL_DIGIT(__AVX512FP16__, __AVX512ER__, __PREFETCHWT1__, __EVEX512__))
#define INTAGLIO_DETAIL_DIGITS_3                                                                                       \
    INTAGLIO_DETAIL_JOIN4(                                                                                             \
        INTAGLIO_DETAIL_DIGIT(__AVXVNNI__, __AVXVNNIINT8__, __AVXVNNIINT16__, __AVXIFMA__),                            \
        INTAGLIO_DETAIL_DIGIT(__AMX_TILE__, __AMX_INT8__, __AMXTILE__, __AMXINT8__),                                   \
        INTAGLIO_DETAIL_DIGIT(__AVX10_1__, __AVX10_2__, __AVXNECONVERT__, __CMPCCXADD__),                              \
        INTAGLIO_DETAIL_DIGIT(__SSE4A__, __FMA4__, __XOP__, __TBM__))
#elif defined(__aarch64__)
#define INTAGLIO_DETAIL_DIGITS_1                                                                                       \
    INTAGLIO_DETAIL_JOIN4(                                                                                             \
        INTAGLIO_DETAIL_DIGIT(__ARM_FEATURE_DOTPROD, __ARM_FEATURE_QRDMX, __ARM_FEATURE_COMPLEX, __ARM_FEATURE_JCVT),  \
        INTAGLIO_DETAIL_DIGIT(__ARM_FEATURE_ATOMICS, __ARM_FEATURE_RCPC, __ARM_FEATURE_LSE128, __ARM_FEATURE_CRC32),   \
        INTAGLIO_DETAIL_DIGIT(__ARM_FEATURE_FP16_SCALAR_ARITHMETIC, __ARM_FEATURE_FP16_VECTOR_ARITHMETIC,              \
                              __ARM_FEATURE_FP16_FML, __ARM_FEATURE_FRINT),                                            \
        INTAGLIO_DETAIL_DIGIT(__ARM_FEATURE_MATMUL_INT8, __ARM_FEATURE_BF16, __ARM_FEATURE_SHA3, __ARM_FEATURE_CSSC))
#define INTAGLIO_DETAIL_DIGITS_2                                                                                       \
    INTAGLIO_DETAIL_JOIN(                                                                                              \
        INTAGLIO_DETAIL_DIGIT(__ARM_FEATURE_SVE, __ARM_FEATURE_SVE2, __ARM_FEATURE_SVE2p1, __ARM_FEATURE_MOPS),        \
        INTAGLIO_DETAIL_SVE_BITS)
#define INTAGLIO_DETAIL_DIGITS_3
#if defined(__ARM_FEATURE_SVE_BITS) && __ARM_FEATURE_SVE_BITS > 0
#define INTAGLIO_DETAIL_SVE_BITS __ARM_FEATURE_SVE_BITS
#else
#define INTAGLIO_DETAIL_SVE_BITS
#endif
#else // flags of other machines are not told apart
#define INTAGLIO_DETAIL_DIGITS_1
#define INTAGLIO_DETAIL_DIGITS_2
#define INTAGLIO_DETAIL_DIGITS_3
#endif
// clang-format on

// What changes the layout of standard containers, and so of the structs that hold them, or what becomes of memory that
// is freed (core/memory_pool.hpp).
#if defined(__SANITIZE_ADDRESS__)
#define INTAGLIO_DETAIL_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INTAGLIO_DETAIL_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef INTAGLIO_DETAIL_ADDRESS_SANITIZER
#define INTAGLIO_DETAIL_ADDRESS_SANITIZER 0
#endif
#define INTAGLIO_DETAIL_LAYOUT                                                                                         \
    INTAGLIO_DETAIL_DIGIT(INTAGLIO_DETAIL_ADDRESS_SANITIZER, _GLIBCXX_DEBUG, _GLIBCXX_USE_CXX11_ABI,                   \
                          _LIBCPP_ABI_VERSION)

#define INTAGLIO_DETAIL_FLAGS                                                                                          \
    INTAGLIO_DETAIL_JOIN4(INTAGLIO_DETAIL_DIGITS_1, INTAGLIO_DETAIL_DIGITS_2, INTAGLIO_DETAIL_DIGITS_3,                \
                          INTAGLIO_DETAIL_LAYOUT)
#define INTAGLIO_ABI                                                                                                   \
    INTAGLIO_DETAIL_JOIN(INTAGLIO_DETAIL_JOIN(abi_, INTAGLIO_ARCH), INTAGLIO_DETAIL_JOIN(_, INTAGLIO_DETAIL_FLAGS))
