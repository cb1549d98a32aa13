// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who runs the iterations of a loop. An executor has two members,
//
//   int  concurrency() const;                 // how many workers may call f at once, >= 1
//   void for_each(dim_t count, F&& f);        // f(i, worker) for each i in [0, count); worker in [0, concurrency())
//
// and every function of the library that can use threads takes an executor_ref as its last argument (but for an audit),
// by default the serial one. No result depends on the executor: iterations write disjoint memory, and sums across them
// are exact or taken in a fixed order. `worker` tells apart the calls that may run at the same time, for scratch
// memory; it says nothing about which iterations a worker gets. Each call runs in the library's own
// floating-point environment (float_environment.hpp), whatever the executor's threads have.
//
// A host application that has a pool of its own wraps it in a struct with these two members.

#include <atomic>
#include <concepts>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/fork.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// A loop body without its type: f(i, worker).
class loop_body {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, loop_body>)
    explicit loop_body(F& f) noexcept
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
          call_([](void* object, dim_t i, int worker) { (*static_cast<F*>(object))(i, worker); }) {}

    void operator()(dim_t i, int worker) const { call_(object_, i, worker); }

private:
    void* object_;
    void (*call_)(void*, dim_t, int);
};

/// Runs the iterations in order, in the calling thread.
struct serial_executor {
    int concurrency() const noexcept { return 1; }

    template <class F>
    void for_each(dim_t count, F&& f) const {
        for (dim_t i = 0; i < count; ++i) f(i, 0);
    }
};

template <class E>
concept Executor = requires(E& executor, dim_t count, loop_body body) {
    { executor.concurrency() } -> std::convertible_to<int>;
    executor.for_each(count, body);
};

/// Threads that wait for loops. The calling thread takes part, so a pool of n has n - 1 threads of its own. Iterations
/// are claimed one by one from a shared counter: make them large enough to be worth a claim (some microseconds).
///
/// A loop that is started while another one runs on the same pool, from inside it or from a second thread, runs
/// serially in the thread that started it: nesting is safe and never waits.
///
/// fork() does not copy threads. In a child process a pool of the parent is its calling thread alone: loops run
/// serially, and so do those of a pool that was busy. A pool that the child makes itself has all of its threads. Who
/// forks inside of a loop's body should not return from it in the child: the rest of the loop is the parent's.
class thread_pool {
public:
    /// `threads` workers in all, the caller included. Throws value_error unless 1 <= threads <= 1024.
    explicit thread_pool(int threads) {
        require<value_error>(threads >= 1 && threads <= 1024, "thread_pool: ", threads, " threads; ask for 1 to 1024");
        workers_.reserve(static_cast<std::size_t>(threads - 1));
        try {
            for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { serve(worker); });
        } catch (...) { // the system has no more threads: stop those that started
            stop();
            throw;
        }
    }
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    ~thread_pool() { stop(); }

    int concurrency() const noexcept { return alone() ? 1 : static_cast<int>(workers_.size()) + 1; }

    /// Returns when all iterations have run. If one throws, no further ones are started, and the first exception is
    /// rethrown here after all workers have stopped. Throws intaglio::error in a child that was forked by an iteration.
    template <class F>
    void for_each(dim_t count, F&& f) {
        if (count <= 1 || workers_.empty() || alone() || busy_.exchange(true, std::memory_order_acquire)) {
            serial_executor{}.for_each(count, f);
            return;
        }
        loop run{loop_body(f), count};
        current_ = &run;
        running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
        generation_.notify_all();
        run.work(0);
        if (alone()) [[unlikely]]
            fail<error>("thread_pool: this process was forked inside of a loop, whose other workers are its parent's");
        for (int left = running_.load(std::memory_order_acquire); left != 0;
             left = running_.load(std::memory_order_acquire))
            wait_while(running_, left);
        busy_.store(false, std::memory_order_release);
        if (run.failure) std::rethrow_exception(run.failure);
    }

private:
    struct loop {
        loop_body body;
        dim_t count;
        std::atomic<dim_t> next{0};
        std::mutex guard{};
        std::exception_ptr failure{};

        void work(int worker) noexcept {
            try {
                for (dim_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
                     i = next.fetch_add(1, std::memory_order_relaxed))
                    body(i, worker);
            } catch (...) {
                next.store(count, std::memory_order_relaxed);
                const std::lock_guard lock(guard);
                if (!failure) failure = std::current_exception();
            }
        }
    };

    /// Whether this process is a fork of the one that has the workers.
    bool alone() const noexcept { return forks_ != detail::forks(); }

    /// Waits until `value` is no longer `old`: first awake, since the next loop mostly follows soon and to wake a
    /// thread takes as long as a small loop, then asleep.
    template <class T>
    static void wait_while(const std::atomic<T>& value, T old) noexcept {
        constexpr int turns = 300; // some hundred microseconds
        for (int turn = 0; turn < turns; ++turn) {
            if (value.load(std::memory_order_acquire) != old) return;
            std::this_thread::yield();
        }
        value.wait(old, std::memory_order_acquire);
    }

    void serve(int worker) noexcept {
        for (unsigned seen = 0;;) {
            wait_while(generation_, seen);
            seen = generation_.load(std::memory_order_acquire);
            if (stopping_.load(std::memory_order_relaxed)) return;
            current_->work(worker);
            if (alone()) std::terminate(); // forked by an iteration, in this thread: nobody waits for it
            if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
        }
    }

    void stop() noexcept {
        if (alone()) { // there is nothing to join: the handles are forgotten
            for (std::thread& worker : workers_) ::new (&worker) std::thread;
            return;
        }
        stopping_.store(true, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
        generation_.notify_all();
        for (std::thread& worker : workers_) worker.join();
        workers_.clear();
    }

    const unsigned forks_ = detail::forks();
    std::vector<std::thread> workers_;
    loop* current_ = nullptr;             // written by the caller before generation_ is raised
    std::atomic<unsigned> generation_{0}; // raised once for each loop
    std::atomic<int> running_{0};         // workers that have not finished the current loop
    std::atomic<bool> busy_{false};
    std::atomic<bool> stopping_{false};
};

/// An executor without its type, passed by value; the executor must outlive the call. Default: serial. Iterations round
/// to nearest even and keep denormal numbers, whatever their thread did before.
class executor_ref {
public:
    executor_ref() noexcept = default;

    template <Executor E>
        requires(!std::is_same_v<std::remove_cvref_t<E>, executor_ref>)
    executor_ref(E& executor)
    noexcept
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(executor)))),
          concurrency_([](void* object) { return static_cast<int>(static_cast<E*>(object)->concurrency()); }),
          run_([](void* object, dim_t count, loop_body body) { static_cast<E*>(object)->for_each(count, body); }) {}

    /// The serial executor has no state, so a temporary one will do.
    executor_ref(serial_executor&&) noexcept {}

    int concurrency() const { return object_ ? concurrency_(object_) : 1; }

    template <class F>
    void for_each(dim_t count, F&& f) const {
        if (object_) {
            const auto share = [&f](dim_t i, int worker) {
                const float_environment scope;
                f(i, worker);
            };
            run_(object_, count, loop_body(share));
        } else {
            const float_environment scope;
            serial_executor{}.for_each(count, f);
        }
    }

private:
    void* object_ = nullptr;
    int (*concurrency_)(void*) = nullptr;
    void (*run_)(void*, dim_t, loop_body) = nullptr;
};

} // namespace intaglio::inline INTAGLIO_ABI
