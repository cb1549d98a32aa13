// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "intaglio/core/parallel.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

/// Runs `count` iterations and checks that each ran exactly once, under a worker in range.
void check_each_once(executor_ref exec, intaglio::dim_t count) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
    std::atomic<bool> in_range{true};
    exec.for_each(count, [&](intaglio::dim_t i, int worker) {
        ++runs[static_cast<std::size_t>(i)];
        if (worker < 0 || worker >= exec.concurrency()) in_range = false;
    });
    CHECK(in_range);
    bool once = true;
    for (const auto& n : runs) once = once && n == 1;
    CHECK(once);
}

/// What a host application would write around its own pool.
struct host_executor {
    int calls = 0;
    int concurrency() const { return 2; }
    template <class F>
    void for_each(intaglio::dim_t count, F&& f) {
        ++calls;
        for (intaglio::dim_t i = count; i-- > 0;) f(i, static_cast<int>(i % 2));
    }
};

} // namespace

TEST_CASE("every executor runs each iteration once", "[unit][core]") {
    host_executor host;
    for (const intaglio::dim_t count : {0, 1, 2, 3, 1000}) {
        check_each_once({}, count);
        check_each_once(serial_executor{}, count);
        check_each_once(host, count);
        for (const int threads : {1, 2, 3, 8}) {
            thread_pool pool(threads);
            CHECK(pool.concurrency() == threads);
            check_each_once(pool, count);
        }
    }
    CHECK(host.calls == 5);
}

TEST_CASE("a pool serves many loops in turn", "[unit][core]") {
    thread_pool pool(3);
    intaglio::dim_t sum = 0;
    for (int loop = 0; loop < 2000; ++loop) {
        std::atomic<intaglio::dim_t> part{0};
        pool.for_each(7, [&](intaglio::dim_t i, int) { part += i; });
        sum += part;
    }
    CHECK(sum == 2000 * 21);
}

TEST_CASE("nested loops run in the thread that starts them", "[unit][core]") {
    thread_pool pool(3);
    const executor_ref exec(pool);
    std::atomic<int> runs{0}, elsewhere{0};
    exec.for_each(20, [&](intaglio::dim_t, int) {
        const auto outer = std::this_thread::get_id();
        exec.for_each(10, [&](intaglio::dim_t, int worker) {
            ++runs;
            if (worker != 0 || std::this_thread::get_id() != outer) ++elsewhere;
        });
    });
    CHECK(runs == 200);
    CHECK(elsewhere == 0);
}

TEST_CASE("two threads may share a pool", "[unit][core]") {
    thread_pool pool(2);
    std::atomic<int> runs{0};
    const auto work = [&] {
        for (int loop = 0; loop < 200; ++loop) pool.for_each(10, [&](intaglio::dim_t, int) { ++runs; });
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(runs == 4000);
}

TEST_CASE("the first exception reaches the caller and the pool lives on", "[unit][core]") {
    for (const int threads : {1, 2, 4}) {
        thread_pool pool(threads);
        for (int round = 0; round < 50; ++round) {
            std::atomic<intaglio::dim_t> started{0};
            try {
                pool.for_each(100000, [&](intaglio::dim_t i, int) {
                    ++started;
                    if (i >= 10) fail<value_error>("iteration ", i);
                });
                FAIL("nothing was thrown");
            } catch (const value_error& e) {
                CHECK(std::string(e.what()).starts_with("iteration 1"));
            }
            CHECK(started < 100000);
        }
        check_each_once(pool, 10);
    }
}

TEST_CASE("a pool has between 1 and 1024 threads", "[unit][core]") {
    CHECK_THROWS_AS(thread_pool(0), value_error);
    CHECK_THROWS_AS(thread_pool(-3), value_error);
    CHECK_THROWS_AS(thread_pool(1025), value_error);
}
