// SPDX-License-Identifier: Apache-2.0

// Which archs this program was built with, and which of them this CPU can run. Each arch's units define constants in a
// namespace that is called after the arch; here they are weak references, null where the build left an arch out, so
// there is no list of archs to keep in step with the build.

#include "kernel_table.hpp"

#include <array>
#include <chrono>
#include <cstring>

#include "intaglio/simd/dispatch.hpp"

#define KERNEL_TABLES_OF(ARCH)                                                                                         \
    namespace kernel_tables::ARCH {                                                                                    \
    [[gnu::weak]] extern const kernel_list training, inference, blocks;                                                \
    [[gnu::weak]] extern const peak_list peaks;                                                                        \
    [[gnu::weak]] extern const conversion_list conversions;                                                            \
    }
KERNEL_TABLES_OF(portable)
KERNEL_TABLES_OF(sse41)
KERNEL_TABLES_OF(avx2)
KERNEL_TABLES_OF(avx_vnni)
KERNEL_TABLES_OF(avx512bw)
KERNEL_TABLES_OF(avx512_vnni)
KERNEL_TABLES_OF(amx)
KERNEL_TABLES_OF(neon)
KERNEL_TABLES_OF(neon_dot)
#undef KERNEL_TABLES_OF

namespace kernel_tables {

namespace {

/// An address that the compiler may not assume to be non-null.
template <class List>
List or_empty(const List* list) {
    return list ? *list : List{};
}

#define KERNEL_TABLES_ENTRY(ARCH)                                                                                      \
    arch_table {                                                                                                       \
#ARCH, &ARCH::training != nullptr, intaglio::simd::cpu_supports(#ARCH), or_empty(&ARCH::training),             \
            or_empty(&ARCH::inference), or_empty(&ARCH::blocks), or_empty(&ARCH::peaks), or_empty(&ARCH::conversions)  \
    }

} // namespace

std::span<const arch_table> arch_tables() {
    static const std::array tables{
        KERNEL_TABLES_ENTRY(portable), KERNEL_TABLES_ENTRY(sse41),    KERNEL_TABLES_ENTRY(avx2),
        KERNEL_TABLES_ENTRY(avx_vnni), KERNEL_TABLES_ENTRY(avx512bw), KERNEL_TABLES_ENTRY(avx512_vnni),
        KERNEL_TABLES_ENTRY(amx),      KERNEL_TABLES_ENTRY(neon),     KERNEL_TABLES_ENTRY(neon_dot),
    };
    return tables;
}
#undef KERNEL_TABLES_ENTRY

const arch_table* find_arch(const char* name) {
    for (const arch_table& table : arch_tables())
        if (std::strcmp(table.name, name) == 0) return &table;
    return nullptr;
}

const kernel* arch_table::find(const char* policy) const {
    for (const kernel_list& list : {training, inference, blocks})
        for (std::size_t i = 0; i < list.count; ++i)
            if (std::strcmp(list.kernels[i].policy, policy) == 0) return &list.kernels[i];
    return nullptr;
}

const conversion* arch_table::find_conversion(const char* conversion_name) const {
    for (std::size_t i = 0; i < conversions.count; ++i)
        if (std::strcmp(conversions.conversions[i].name, conversion_name) == 0) return &conversions.conversions[i];
    return nullptr;
}

double arch_table::measure_peak(const char* peak_name, int repeats) const {
    double best = 0;
    for (std::size_t i = 0; i < peaks.count; ++i) {
        if (std::strcmp(peaks.peaks[i].name, peak_name) != 0) continue;
        std::ptrdiff_t rounds = 1 << 10;
        for (int r = 0; r < repeats;) {
            const auto start = std::chrono::steady_clock::now();
            const double macs = peaks.peaks[i].run(rounds);
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            if (seconds.count() < 2e-3) { // too short to time, and a warm-up all the same
                rounds *= 2;
                continue;
            }
            best = macs / seconds.count() > best ? macs / seconds.count() : best;
            ++r;
        }
    }
    return best;
}

} // namespace kernel_tables
