// SPDX-License-Identifier: Apache-2.0
#include "intaglio/core/fork.hpp"

#include <atomic>
#include <csignal>
#include <memory>
#include <thread>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/parallel.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"

using namespace intaglio;

namespace {

bool sums(thread_pool& pool, bool alone) {
    std::atomic<dim_t> sum{0};
    std::atomic<int> others{0};
    pool.for_each(1000, [&, here = std::this_thread::get_id()](dim_t i, int) {
        sum += i;
        others += std::this_thread::get_id() != here;
    });
    return sum == 499500 && !(alone && others > 0);
}

} // namespace

TEST_CASE("forks are counted in the child, not in the parent", "[unit][core]") {
    const unsigned before = detail::forks();
    CHECK(in_child(60, [&] { return detail::forks() == before + 1 ? 0 : 1; }).status == 0);
    CHECK(in_child(60, [&] {
              return in_child(60, [&] { return detail::forks() == before + 2 ? 0 : 1; }).status;
          }).status == 0);
    CHECK(detail::forks() == before);
}

TEST_CASE("a pool in a forked child works serially, ends, and can be replaced", "[unit][core]") {
    auto pool = std::make_unique<thread_pool>(4);
    REQUIRE(sums(*pool, false));
    const child_end end = in_child(60, [&] {
        if (pool->concurrency() != 1 || !sums(*pool, true) || !sums(*pool, true)) return 1;
        pool.reset();
        thread_pool own(3);
        if (own.concurrency() != 3 || !sums(own, false)) return 2;
        return in_child(60, [&] { return sums(own, true) ? 0 : 3; }).status;
    });
    CHECK(end.status == 0);
    CHECK(end.signal == 0);
    CHECK(pool->concurrency() == 4);
    CHECK(sums(*pool, false));
}

TEST_CASE("a fork beside threads that are busy leaves nothing locked", "[unit][core]") {
    thread_pool pool(3);
    std::atomic<bool> stop{false};
    std::thread busy([&] {
        while (!stop)
            pool.for_each(8, [](dim_t, int) {
                const buffer<char> large(dim_t{1} << 17); // through the pool of large blocks
                static_cast<void>(large);
            });
    });
    int ended = 0;
    constexpr int rounds = 40;
    for (int round = 0; round < rounds; ++round)
        ended += in_child(60, [&] {
                     const buffer<char> large(dim_t{1} << 17);
                     return sums(pool, true) ? 0 : 1;
                 }).status == 0;
    stop = true;
    busy.join();
    CHECK(ended == rounds);
    CHECK(sums(pool, false));
}

TEST_CASE("a child that was forked inside of a loop gets an error and does not wait", "[unit][core]") {
    thread_pool pool(2);
    const auto caller = std::this_thread::get_id();
    for (const bool in_caller : {true, false}) {
        CAPTURE(in_caller);
        child_end end;
        const pid_t parent = getpid();
        std::atomic<bool> forked{false};
        // outside of the loop, so that in_child's own exit is not what ends the child
        const auto fork_once = [&] {
            if (forked.exchange(true)) return;
            const pid_t child = fork();
            if (child == 0) {
                alarm(60);
                std::signal(SIGABRT, SIG_DFL);
                return;
            }
            int how = 0;
            waitpid(child, &how, 0);
            end = WIFEXITED(how) ? child_end{WEXITSTATUS(how), 0} : child_end{-1, WTERMSIG(how)};
        };
        try {
            pool.for_each(2, [&](dim_t, int) { // two iterations that wait for each other: one for each thread
                static std::atomic<int> met{0};
                ++met;
                while (met % 2 != 0 && getpid() == parent) std::this_thread::yield();
                if ((std::this_thread::get_id() == caller) == in_caller) fork_once();
            });
            if (getpid() != parent) _exit(1);
        } catch (const error&) {
            if (getpid() != parent) _exit(2);
            throw;
        }
        REQUIRE(getpid() == parent);
        CHECK(end.status == (in_caller ? 2 : -1));
        CHECK(end.signal == (in_caller ? 0 : SIGABRT));
    }
    CHECK(sums(pool, false));
}
