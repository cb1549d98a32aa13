// SPDX-License-Identifier: Apache-2.0

// Dynamic fixed point: floats become 16-bit integers with one exponent per tensor, their product is exact integer
// arithmetic, and so it has the same bits for one thread and for three, and for 16-bit digits and byte planes.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/quantize/dfp.hpp"

int main() {
    using namespace intaglio;
    const int m = 30, n = 40, k = 500;
    std::vector<float> a(m * k), b(k * n);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = random_uniform(1, 0, i) - 0.5F; // seed 1, streams 0 and 1
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = random_uniform(1, 1, i) - 0.5F;

    const auto qa = quantize_dfp<fixed<16>>(a, {m, k}), qb = quantize_dfp<fixed<16>>(b, {k, n});
    double lost = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        lost = std::max(lost, std::fabs(static_cast<double>(a[i]) - qa.value(static_cast<std::ptrdiff_t>(i))));
    std::printf("exponent %d, round trip within half a unit: %s\n", qa.exponent, lost <= qa.scale() / 2 ? "yes" : "no");

    std::vector<std::int64_t> serial(m * n), threads(m * n), bytes(m * n);
    thread_pool pool(3);
    const auto as_is = [&]<class P>(P, std::vector<std::int64_t>& out, executor_ref exec) {
        gemm<P>({qa.mantissas.matrix(m, k)}, rhs_view<P>{qb.mantissas.matrix(k, n)}, matrix_view(out.data(), m, n),
                epilogue<>{}, exec);
    };
    as_is(dfp16_training{}, serial, {});
    as_is(dfp16_training{}, threads, pool);
    as_is(dfp16_bytes{}, bytes, {});
    std::printf("three threads equal: %s, byte planes equal: %s\n", threads == serial ? "yes" : "no",
                bytes == serial ? "yes" : "no");

    double exact = 0; // of the integers' product, against that of the floats
    for (int e = 0; e < k; ++e)
        exact += static_cast<double>(a[static_cast<std::size_t>(e)]) *
                 static_cast<double>(b[static_cast<std::size_t>(e * n)]);
    const double ours = static_cast<double>(serial[0]) * qa.scale() * qb.scale();
    std::printf("element (0, 0): %.4f, from floats %.4f\n", ours, exact);
    return threads == serial && bytes == serial ? 0 : 1;
}

// Prints:
//   exponent -16, round trip within half a unit: yes
//   three threads equal: yes, byte planes equal: yes
//   element (0, 0): 0.2291, from floats 0.2291
