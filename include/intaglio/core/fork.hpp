// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a process is the child of a fork(), which copies its memory but, of its threads, only the one that called. A
// pool that finds itself copied has no workers any more.

#include <atomic>

#include <pthread.h>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// How many fork()s lie between the first call of this, here or in a parent, and this process.
inline unsigned forks() noexcept {
    static std::atomic<unsigned> count{0};
    [[maybe_unused]] static const int told =
        ::pthread_atfork(nullptr, nullptr, [] { count.fetch_add(1, std::memory_order_relaxed); });
    return count.load(std::memory_order_relaxed);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
