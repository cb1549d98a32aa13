// SPDX-License-Identifier: Apache-2.0
#pragma once

// How layers share element-wise work and sums between threads. A range is cut into chunks whose borders depend on its
// length alone, never on the number of threads; sums are formed per chunk and added up in the order of the chunks. So a
// network's results have the same bits for any number of threads.

#include <algorithm>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// Calls work(begin, end) for the chunks of 0 .. n, in any order, perhaps at the same time.
template <class Work>
void for_each_chunk(dim_t n, executor_ref exec, Work&& work, dim_t chunk = 16384) {
    const dim_t chunks = (n + chunk - 1) / chunk;
    exec.for_each(chunks, [&](dim_t i, int) { work(i * chunk, std::min(n, (i + 1) * chunk)); });
}

/// sums[g * cols + c] = sum over rows r of term(g * rows + r, c), for g in 0 .. groups and c in 0 .. cols: double sums
/// over 128 rows of a group at a time, then over those in order.
template <class Term>
void grouped_column_sums(dim_t groups, dim_t rows, dim_t cols, double* sums, executor_ref exec, Term&& term) {
    const float_environment scope;
    constexpr dim_t chunk = 128;
    const dim_t chunks = std::max<dim_t>(1, (rows + chunk - 1) / chunk);
    std::vector<double> partial(static_cast<std::size_t>(chunks > 1 ? groups * chunks * cols : 0));
    double* const parts = chunks > 1 ? partial.data() : sums;
    exec.for_each(groups * chunks, [&](dim_t i, int) {
        double* const sum = parts + i * cols;
        std::fill_n(sum, cols, 0.0);
        const dim_t first = i / chunks * rows, begin = i % chunks * chunk, end = std::min(rows, begin + chunk);
        for (dim_t r = first + begin; r < first + end; ++r)
            for (dim_t c = 0; c < cols; ++c) sum[c] += static_cast<double>(term(r, c));
    });
    if (chunks == 1) return;
    for (dim_t g = 0; g < groups; ++g, sums += cols) {
        std::fill_n(sums, cols, 0.0);
        for (dim_t i = 0; i < chunks; ++i)
            for (dim_t c = 0; c < cols; ++c) sums[c] += parts[(g * chunks + i) * cols + c];
    }
}

/// The same of a single group: sums[c] = sum over rows r of term(r, c).
template <class Term>
void column_sums(dim_t rows, dim_t cols, double* sums, executor_ref exec, Term&& term) {
    grouped_column_sums(1, rows, cols, sums, exec, term);
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
