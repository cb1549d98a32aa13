// SPDX-License-Identifier: Apache-2.0
#pragma once

// Large blocks that were freed, kept for the next buffer of about their size. A layer makes the same large buffers in
// every step, and a block that went back to the system costs a page fault for each 4 KiB when it is touched again: up
// to a third of a weight gradient's time. At most `most_kept` bytes are kept, small blocks never. Under
// AddressSanitizer everything goes straight to the heap, so that it sees each use after a free.
//
// A fork() waits until no other thread is inside the pool, so that the child can use it.

#include <array>
#include <bit>
#include <cstddef>
#include <mutex>
#include <new>

#include <pthread.h>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

class memory_pool {
public:
    static constexpr std::size_t alignment = 64;
    static constexpr std::size_t smallest = std::size_t{1} << 16;    ///< bytes that are worth keeping
    static constexpr std::size_t most_kept = std::size_t{512} << 20; ///< bytes in all

    /// The pool that all buffers share. Never destroyed: buffers of static storage may outlive any other object.
    static memory_pool& shared() {
        static memory_pool* const pool = new memory_pool;
        [[maybe_unused]] static const int told =
            ::pthread_atfork([] { pool->mutex_.lock(); }, [] { pool->mutex_.unlock(); }, [] { pool->mutex_.unlock(); });
        return *pool;
    }

    /// At least `bytes` bytes, aligned, unset. Throws std::bad_alloc.
    void* take(std::size_t bytes) {
        if (!keeps(bytes)) return ::operator new (bytes, std::align_val_t{alignment});
        const size_class c = class_of(bytes);
        {
            const std::lock_guard lock(mutex_);
            if (block* const found = free_[c.number]) {
                free_[c.number] = found->next;
                kept_ -= c.bytes;
                return found;
            }
        }
        return ::operator new (c.bytes, std::align_val_t{alignment});
    }

    /// Takes back what `take` gave for the same `bytes`.
    void give(void* memory, std::size_t bytes) noexcept {
        if (keeps(bytes)) {
            const size_class c = class_of(bytes);
            const std::lock_guard lock(mutex_);
            if (kept_ + c.bytes <= most_kept) {
                free_[c.number] = ::new (memory) block{free_[c.number]};
                kept_ += c.bytes;
                return;
            }
        }
        ::operator delete (memory, std::align_val_t{alignment});
    }

    /// Bytes that wait for their next use.
    std::size_t kept() {
        const std::lock_guard lock(mutex_);
        return kept_;
    }

private:
    struct block {
        block* next;
    };
    /// Sizes are rounded up to one of eight steps from a power of two to the next: at most an eighth is wasted.
    struct size_class {
        std::size_t number, bytes;
    };
    static constexpr size_class class_of(std::size_t bytes) {
        const auto width = static_cast<std::size_t>(std::bit_width(bytes - 1));                     // bytes <= 2^width
        const std::size_t step = (std::size_t{1} << width) / 16, steps = (bytes + step - 1) / step; // 9 .. 16
        return {width * 8 + (steps - 9), steps * step};
    }
    static constexpr bool keeps(std::size_t bytes) {
        return !address_sanitizer && bytes >= smallest && bytes <= most_kept;
    }

    std::mutex mutex_;
    std::array<block*, 8 * 32> free_ = {}; ///< by size class
    std::size_t kept_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
