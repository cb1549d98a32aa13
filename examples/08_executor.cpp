// SPDX-License-Identifier: Apache-2.0

// Threads of the host application: an executor is any object with two members. This one starts a std::jthread for each
// worker and loop; a program with a pool, with OpenMP or with TBB wraps that instead. The result has the same bits.

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "intaglio/numeric/random.hpp"

class jthreads {
public:
    explicit jthreads(int workers) : workers_(workers) {}
    int concurrency() const { return workers_; }

    template <class F>
    void for_each(std::ptrdiff_t count, F&& f) const {
        std::atomic<std::ptrdiff_t> next{0};
        std::vector<std::jthread> threads; // joined when the loop is left
        for (int worker = 0; worker < workers_; ++worker)
            threads.emplace_back([&, worker] {
                for (auto i = next++; i < count; i = next++) f(i, worker);
            });
    }

private:
    int workers_;
};

int main() {
    using namespace intaglio;
    const int m = 100, n = 90, k = 300;
    std::vector<float> a(m * k), b(k * n), serial(m * n), parallel(m * n);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = random_uniform(1, 0, i);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = random_uniform(1, 1, i);
    const lhs_view<fp32> lhs{matrix_view<const float>(a.data(), m, k)};
    const rhs_view<fp32> rhs{matrix_view<const float>(b.data(), k, n)};

    gemm<fp32>(lhs, rhs, matrix_view(serial.data(), m, n));
    jthreads executor(4);
    gemm<fp32>(lhs, rhs, matrix_view(parallel.data(), m, n), epilogue<>{}, executor);
    std::printf("four threads: %s\n", parallel == serial ? "the same bits" : "DIFFERENT");
    return parallel == serial ? 0 : 1;
}

// Prints:
//   four threads: the same bits
