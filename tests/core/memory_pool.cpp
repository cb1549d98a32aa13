// SPDX-License-Identifier: Apache-2.0

// Blocks come back for buffers of about their size, small ones and what exceeds the limit do not, from any number of
// threads.

#include "intaglio/core/memory_pool.hpp"

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "support/catch.hpp"

using namespace intaglio;
using detail::memory_pool;

TEST_CASE("a large block serves the next buffer of about its size", "[unit][core]") {
    if (detail::address_sanitizer) {
        WARN("skipped: AddressSanitizer watches the heap, and nothing is kept");
        return;
    }
    memory_pool pool;
    for (const std::size_t size : {memory_pool::smallest, memory_pool::smallest + 1, std::size_t{1} << 20,
                                   (std::size_t{1} << 20) + 4097, std::size_t{5000000}}) {
        void* const first = pool.take(size);
        CHECK(reinterpret_cast<std::uintptr_t>(first) % memory_pool::alignment == 0);
        std::memset(first, 1, size);
        pool.give(first, size);
        CHECK(pool.kept() >= size);
        CHECK(pool.kept() <= size + size / 8 + 8);
        void* const second = pool.take(size - 7 > memory_pool::smallest ? size - 7 : size);
        CHECK(second == first);
        CHECK(pool.kept() == 0);
        ::operator delete (second, std::align_val_t{memory_pool::alignment});
    }
}

TEST_CASE("small blocks are not kept, and no more than the limit", "[unit][core]") {
    memory_pool pool;
    pool.give(pool.take(memory_pool::smallest - 1), memory_pool::smallest - 1);
    CHECK(pool.kept() == 0);
    if (detail::address_sanitizer) {
        WARN("skipped: AddressSanitizer watches the heap, and nothing is kept");
        return;
    }
    std::vector<void*> blocks; // of half the limit: the third does not fit
    for (int i = 0; i < 3; ++i) blocks.push_back(pool.take(memory_pool::most_kept / 2));
    for (void* const block : blocks) pool.give(block, memory_pool::most_kept / 2);
    CHECK(pool.kept() == memory_pool::most_kept);
    for (int i = 0; i < 2; ++i)
        ::operator delete (pool.take(memory_pool::most_kept / 2), std::align_val_t{memory_pool::alignment});
    CHECK(pool.kept() == 0);
}

TEST_CASE("threads share the pool", "[unit][core]") {
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&wrong, t] {
            for (int round = 0; round < 200; ++round) {
                buffer<std::uint8_t> mine(70000 + 1000 * (round % 5), uninitialized);
                std::memset(mine.data(), static_cast<int>(t + 1), mine.bytes());
                for (const std::uint8_t byte : mine) wrong[t] += byte != t + 1;
            }
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == std::vector<int>(wrong.size()));
}
