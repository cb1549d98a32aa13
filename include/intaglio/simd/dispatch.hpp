// SPDX-License-Identifier: Apache-2.0
#pragma once

// Run-time choice of an instruction set. The library picks its kernels at compile time, from the flags of the
// translation unit; a program that must run on several CPUs compiles one thin source once per arch, each exporting a
// table of plain functions, and asks here for the best table that this CPU can run:
//
//   constexpr simd::arch_table<my_table> tables[] = {{"portable", &my_table_portable}, {"avx2", &my_table_avx2}};
//   const my_table& run = simd::best<my_table>(tables);
//
// Keep plain pointers and sizes at the edge of such a source: the library's own names differ per arch
// (core/config.hpp), but a std::vector that is instantiated in two of them is one function to the linker.
//
// The environment variable INTAGLIO_ARCH_LIMIT holds a program to an arch and those before it in `arch_order`.
// examples/ has a complete program.

#include <array>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/simd/arch/cpu.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// All arches, the least preferred first.
inline constexpr std::array<std::string_view, 9> arch_order{"portable",    "sse41", "avx2", "avx_vnni", "avx512bw",
                                                            "avx512_vnni", "amx",   "neon", "neon_dot"};

/// Position in `arch_order`. Throws value_error, listing the names, for any other name.
inline dim_t arch_rank(std::string_view arch) {
    std::string known;
    for (dim_t i = 0; i < static_cast<dim_t>(arch_order.size()); ++i) {
        const std::string_view name = arch_order[static_cast<std::size_t>(i)];
        if (name == arch) return i;
        known += join(known.empty() ? "" : ", ", name);
    }
    fail<value_error>("unknown instruction set '", arch, "'; known are ", known);
}

/// Why this CPU can't run an arch; empty if it can. For amx this asks the operating system for the tile registers, once
/// per process. INTAGLIO_ARCH_LIMIT plays no part. Throws value_error for a name that is not in `arch_order`.
inline std::string_view cpu_lacks(std::string_view arch) {
    const cpu_answers cpu = detail::ask_cpu();
    const std::array<std::string_view, arch_order.size()> answers{cpu.portable, cpu.sse41,    cpu.avx2,
                                                                  cpu.avx_vnni, cpu.avx512bw, cpu.avx512_vnni,
                                                                  cpu.amx,      cpu.neon,     cpu.neon_dot};
    return answers[static_cast<std::size_t>(arch_rank(arch))];
}

/// Whether this CPU, with this operating system, runs an arch.
inline bool cpu_supports(std::string_view arch) { return cpu_lacks(arch).empty(); }

/// Whether INTAGLIO_ARCH_LIMIT, if it is set, lets a program use an arch. Throws value_error if the variable names no
/// arch.
inline bool arch_allowed(std::string_view arch) {
    const char* limit = std::getenv("INTAGLIO_ARCH_LIMIT");
    return limit == nullptr || *limit == '\0' || arch_rank(arch) <= arch_rank(limit);
}

/// What one arch offers. Both are owned by the program.
template <class Table>
struct arch_table {
    std::string_view arch;
    const Table* table;
};

/// The entry of the most preferred arch that this CPU supports and INTAGLIO_ARCH_LIMIT allows. The order of the entries
/// does not matter. Throws value_error if there is none: offer a portable one to exclude that.
template <class Table>
const arch_table<Table>& best_entry(std::span<const arch_table<Table>> offered) {
    const arch_table<Table>* found = nullptr;
    for (const arch_table<Table>& entry : offered)
        if (cpu_supports(entry.arch) && arch_allowed(entry.arch) &&
            (!found || arch_rank(entry.arch) > arch_rank(found->arch)))
            found = &entry;
    if (!found) {
        std::string names;
        for (const arch_table<Table>& entry : offered) names += join(names.empty() ? "" : ", ", entry.arch);
        const char* limit = std::getenv("INTAGLIO_ARCH_LIMIT");
        fail<value_error>("no usable instruction set: the program has ", names.empty() ? "none" : names,
                          "; INTAGLIO_ARCH_LIMIT is ", limit ? limit : "not set");
    }
    return *found;
}

/// The table of `best_entry`.
template <class Table>
const Table& best(std::span<const arch_table<Table>> offered) {
    return *best_entry(offered).table;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
