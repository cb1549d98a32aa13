// SPDX-License-Identifier: Apache-2.0

// The checked mode: an audit shadows every chain of products with a 64-bit sum. The numbers here are the worst that 16
// bits hold, and two of their products nearly fill an int32; the proven chains are just that short, and nothing
// overflows.

#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/gemm/gemm.hpp"

int main() {
    using namespace intaglio;
    using policy = dfp16_training;
    const int m = 4, n = 4, k = 1000;
    const std::vector<std::int16_t> lhs(m * k, 32767), rhs(k * n, -32767);
    std::vector<std::int64_t> out(m * n);

    audit check;
    gemm<policy>({matrix_view(lhs.data(), m, k)}, rhs_view<policy>{matrix_view(rhs.data(), k, n)},
                 matrix_view(out.data(), m, n), epilogue<>{}, {}, &check);

    const std::int64_t exact = -std::int64_t{32767} * 32767 * k;
    std::printf("total %lld, exact %lld\n", static_cast<long long>(out[0]), static_cast<long long>(exact));
    std::printf("overflows %lld, largest sum of a chain fits int32: %s\n", static_cast<long long>(check.overflows()),
                // here 2 * 32767^2 = 2147352578 where the digits are 16-bit
                check.largest() <= 2147483647 ? "yes" : "no");
    return out[0] == exact && check.chains() > 0 && check.overflows() == 0 ? 0 : 1;
}

// Prints:
//   total -1073676289000, exact -1073676289000
//   overflows 0, largest sum of a chain fits int32: yes
