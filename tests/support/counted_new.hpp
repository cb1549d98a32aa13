// SPDX-License-Identifier: Apache-2.0
#pragma once

// An operator new that counts, for the program of which one unit includes this: how often it was called, the bytes that
// are live, and the most that were.

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace counted_new {

inline std::atomic<std::size_t> calls{0}, live{0}, peak{0};

inline void* counted(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    ++calls;
    const std::size_t now = live += ::malloc_usable_size(memory);
    for (std::size_t seen = peak; seen < now && !peak.compare_exchange_weak(seen, now);) {
    }
    return memory;
}
inline void release(void* memory) noexcept {
    if (memory != nullptr) live -= ::malloc_usable_size(memory);
    std::free(memory);
}

} // namespace counted_new

// All forms: a sanitizer's own of one would not fit the others.
void* operator new(std::size_t size) { return counted_new::counted(std::malloc(size == 0 ? 1 : size)); }
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    try {
        return operator new(size);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept { return operator new(size, tag); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    const auto unit = static_cast<std::size_t>(alignment);
    return counted_new::counted(std::aligned_alloc(unit, (size + unit) / unit * unit));
}
void* operator new[](std::size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
void operator delete(void* memory) noexcept { counted_new::release(memory); }
void operator delete[](void* memory) noexcept { counted_new::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { counted_new::release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { counted_new::release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { counted_new::release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { counted_new::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { counted_new::release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { counted_new::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { counted_new::release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { counted_new::release(memory); }
