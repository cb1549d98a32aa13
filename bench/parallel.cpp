// SPDX-License-Identifier: Apache-2.0

// `bench parallel`: what it costs to run a loop on a pool, from the call to the return, with bodies that do nothing. It
// tells how much work an iteration must hold to be worth a claim (core/parallel.hpp). Nanoseconds are of wall-clock
// time.

#include <atomic>

#include <benchmark/benchmark.h>

#include "intaglio/core/parallel.hpp"

namespace {

void run_loops(benchmark::State& state, intaglio::executor_ref exec) {
    const intaglio::dim_t count = state.range(0);
    for (auto _ : state) {
        exec.for_each(count, [](intaglio::dim_t i, int) { benchmark::DoNotOptimize(i); });
    }
    state.SetItemsProcessed(state.iterations() * count);
}

void serial_loop(benchmark::State& state) { run_loops(state, {}); }

void pool_loop(benchmark::State& state) {
    intaglio::thread_pool pool(static_cast<int>(state.range(1)));
    run_loops(state, pool);
}

BENCHMARK(serial_loop)->Arg(1)->Arg(64)->Arg(4096);
BENCHMARK(pool_loop)->ArgNames({"iterations", "threads"})->ArgsProduct({{1, 64, 4096}, {2, 4}})->UseRealTime();

} // namespace

BENCHMARK_MAIN();
