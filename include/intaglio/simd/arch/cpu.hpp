// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the CPU at hand can run, asked of the CPU itself: the compilers' own __builtin_cpu_supports does not know every
// feature that is used here (Clang 14 lacks AVX-VNNI and AMX). A feature counts only if the operating system keeps its
// registers across a change of threads. Nothing here needs more than the baseline of the architecture, so it may be
// called before any choice is made.

#include <string_view>

#include "intaglio/core/config.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace intaglio::inline INTAGLIO_ABI::simd {

/// For each arch an empty text if this CPU runs it, otherwise what is missing.
struct cpu_answers {
    std::string_view portable, sse41, avx2, avx_vnni, avx512bw, avx512_vnni, amx, neon, neon_dot;
};

namespace detail {

#if defined(__x86_64__)

struct cpuid_registers {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// A basic leaf; all zeros where the CPU has no such leaf.
inline cpuid_registers cpuid(unsigned leaf, unsigned subleaf) {
    cpuid_registers r;
    if (static_cast<unsigned>(__get_cpuid_max(0, nullptr)) >= leaf)
        __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

/// Register states that the operating system saves (XCR0).
inline unsigned saved_states() {
    unsigned low = 0, high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/// Linux hands out the tile registers, 8 KiB a thread, on request: once for the whole process, before the first use.
inline std::string_view request_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr long request_permission = 0x1023; // ARCH_REQ_XCOMP_PERM
    constexpr long tile_data = 18;              // XFEATURE_XTILEDATA
    static const bool granted = syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    return granted ? std::string_view{}
                   : "the kernel refuses the tile registers (arch_prctl ARCH_REQ_XCOMP_PERM); Linux 5.16 or later "
                     "grants them";
#else
    return "tile registers are supported on Linux only";
#endif
}

inline cpu_answers ask_cpu() {
    constexpr auto bit = [](unsigned word, int position) { return (word >> position & 1U) != 0; };
    constexpr std::string_view os = "the operating system does not save its registers";
    const cpuid_registers basic = cpuid(1, 0), extended = cpuid(7, 0), more = cpuid(7, 1);
    const unsigned states = bit(basic.ecx, 27) ? saved_states() : 0U;

    cpu_answers a;
    a.neon = a.neon_dot = "this is an x86-64 CPU";
    a.sse41 = bit(basic.ecx, 19) ? "" : "the CPU lacks SSE4.1";

    a.avx2 = !(bit(basic.ecx, 12) && bit(extended.ebx, 5)) ? "the CPU lacks AVX2 or FMA"
             : (states & 0x06U) != 0x06U                   ? os
                                                           : "";
    a.avx_vnni = !a.avx2.empty() ? a.avx2 : bit(more.eax, 4) ? "" : "the CPU lacks AVX-VNNI";

    // F, DQ, CD, BW, VL
    const bool avx512 = bit(extended.ebx, 16) && bit(extended.ebx, 17) && bit(extended.ebx, 28) &&
                        bit(extended.ebx, 30) && bit(extended.ebx, 31);
    a.avx512bw = !a.avx2.empty()             ? a.avx2
                 : !avx512                   ? "the CPU lacks AVX-512 F, CD, DQ, BW or VL"
                 : (states & 0xE6U) != 0xE6U ? os
                                             : "";
    a.avx512_vnni = !a.avx512bw.empty() ? a.avx512bw : bit(extended.ecx, 11) ? "" : "the CPU lacks AVX-512-VNNI";

    if (!a.avx512_vnni.empty())
        a.amx = a.avx512_vnni;
    else if (!(bit(extended.edx, 24) && bit(extended.edx, 25)))
        a.amx = "the CPU lacks AMX-TILE or AMX-INT8";
    else
        a.amx = (states & 0x60000U) != 0x60000U ? os : request_tiles();
    return a;
}

#elif defined(__aarch64__)

inline cpu_answers ask_cpu() {
    cpu_answers a;
    a.sse41 = a.avx2 = a.avx_vnni = a.avx512bw = a.avx512_vnni = a.amx = "this is an AArch64 CPU";
#if defined(__linux__)
    constexpr unsigned long dot_product = 1UL << 20; // HWCAP_ASIMDDP
    a.neon_dot = (getauxval(AT_HWCAP) & dot_product) != 0 ? "" : "the CPU lacks the dot-product instructions";
#elif !defined(__ARM_FEATURE_DOTPROD)
    a.neon_dot = "no way to ask this operating system for the dot-product instructions";
#endif
    return a;
}

#else

inline cpu_answers ask_cpu() {
    cpu_answers a;
    a.sse41 = a.avx2 = a.avx_vnni = a.avx512bw = a.avx512_vnni = a.amx = a.neon = a.neon_dot =
        "this is another kind of CPU";
    return a;
}

#endif

} // namespace detail

} // namespace intaglio::inline INTAGLIO_ABI::simd
