// SPDX-License-Identifier: Apache-2.0
#pragma once

// How layers share element-wise work and sums between threads. A range is cut into chunks whose borders depend on its
// length alone, never on the number of threads; sums are formed per chunk and added up in the order of the chunks. So a
// network's results have the same bits for any number of threads.

#include <algorithm>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// Calls work(begin, end) for the chunks of 0 .. n, in any order, perhaps at the same time.
template <class Work>
void for_each_chunk(index n, executor_ref exec, Work&& work, index chunk = 16384) {
    const index chunks = (n + chunk - 1) / chunk;
    exec.for_each(chunks, [&](index i, int) { work(i * chunk, std::min(n, (i + 1) * chunk)); });
}

/// sums[c] = sum over rows r of term(r, c), for c in 0 .. cols: double sums over 128 rows at a time, then over those in
/// order.
template <class Term>
void column_sums(index rows, index cols, double* sums, executor_ref exec, Term&& term) {
    constexpr index chunk = 128;
    const index chunks = (rows + chunk - 1) / chunk;
    std::vector<double> partial(static_cast<std::size_t>(chunks * cols), 0.0);
    exec.for_each(chunks, [&](index i, int) {
        double* const sum = partial.data() + i * cols;
        const index end = std::min(rows, (i + 1) * chunk);
        for (index r = i * chunk; r < end; ++r)
            for (index c = 0; c < cols; ++c) sum[c] += term(r, c);
    });
    std::fill(sums, sums + cols, 0.0);
    for (index i = 0; i < chunks; ++i)
        for (index c = 0; c < cols; ++c) sums[c] += partial[static_cast<std::size_t>(i * cols + c)];
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
