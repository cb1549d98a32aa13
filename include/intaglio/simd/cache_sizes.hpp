// SPDX-License-Identifier: Apache-2.0
#pragma once

// How large this machine's data caches are, for the blocking of the loops.

#include <unistd.h>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Bytes of a core's first and second data cache, and of the last, which cores share: 32 MiB at most, since on some
/// machines the system counts those that other cores have (256 MiB on an EPYC 7003).
struct cache_sizes {
    dim_t l1 = 32 * 1024;
    dim_t l2 = 512 * 1024;
    dim_t l3 = 16 * 1024 * 1024;

    /// As the system tells, or the defaults above where it doesn't.
    static cache_sizes of_this_machine() {
        cache_sizes sizes;
#ifdef _SC_LEVEL1_DCACHE_SIZE
        if (const long l1 = ::sysconf(_SC_LEVEL1_DCACHE_SIZE); l1 > 0) sizes.l1 = l1;
        if (const long l2 = ::sysconf(_SC_LEVEL2_CACHE_SIZE); l2 > 0) sizes.l2 = l2;
        if (const long l3 = ::sysconf(_SC_LEVEL3_CACHE_SIZE); l3 > 0) sizes.l3 = l3 < 32 << 20 ? l3 : 32 << 20;
#endif
        return sizes;
    }
};

} // namespace intaglio::inline INTAGLIO_ABI
