// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a product's output is cut into tasks for threads, each a block of rows and panels: of equal size, and small
// enough that what waits between blocks of the reduction stays in L2.

#include <algorithm>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/simd/atom.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// How the output is cut into tasks of about equal size.
struct task_grid {
    dim_t row_blocks, column_blocks;
};
/// `row_tiles` x `panels` tiles of `tile_rows` rows, of which `rows` exist. `row_blocks`: at least so many, for the
/// sake of L2. `kept`: bytes of a tile's totals, which wait between blocks of the reduction; 0: none wait. `by_rows`:
/// rather cut rows than columns, for their sake and for the workers', since each block of columns would pack its rows
/// anew; a twentieth of the time is what that costs.
[[gnu::noinline]] inline task_grid cut_output(dim_t rows, dim_t tile_rows, dim_t panels, dim_t row_blocks, dim_t kept,
                                              dim_t l2, dim_t workers, bool by_rows = false) {
    const dim_t row_tiles = ceil_div(rows, tile_rows);
    dim_t column_blocks = 1;
    if (kept > 0) {
        if (by_rows)
            row_blocks = std::clamp(ceil_div(row_tiles * panels * kept, std::max(kept, l2 / 2)), row_blocks, row_tiles);
        column_blocks = ceil_div(ceil_div(row_tiles, row_blocks) * panels * kept, std::max(kept, l2 / 2));
        if (rows == 1) column_blocks = panels; // nothing shares a panel: each is read from end to end, as memory likes
    }
    if (workers > 1) {
        // the largest share of each way to cut; seven rows fill no tile, and few tiles are not shared evenly
        const double rows_share =
            static_cast<double>(ceil_div(row_tiles, workers) * tile_rows) / static_cast<double>(rows);
        const double columns_share = static_cast<double>(ceil_div(panels, workers)) / static_cast<double>(panels);
        if (columns_share < (by_rows ? 0.95 : 1.0) * rows_share)
            column_blocks = round_up(column_blocks, workers);
        else
            row_blocks = std::min(row_tiles, round_up(row_blocks, workers));
        if (row_blocks * column_blocks % workers != 0)
            column_blocks = std::min(panels, round_up(column_blocks, workers));
    }
    return {row_blocks, std::min(column_blocks, panels)};
}

/// Calls f(first row, end, first panel, end, worker) for each task of a grid, which takes `together` rows as a whole.
template <class Traits, class F>
void for_each_task(const task_grid& grid, dim_t rows, dim_t panels, executor_ref exec, const F& f,
                   dim_t together = Traits::rows) {
    const auto edge = [&grid, rows, together](dim_t ic) {
        return std::min(rows, ceil_div(rows, together) * ic / grid.row_blocks * together);
    };
    exec.for_each(grid.row_blocks * grid.column_blocks, [&](dim_t task, int worker) {
        [[maybe_unused]] const simd::atom_scope<typename Traits::atom> scope{};
        const dim_t ic = task % grid.row_blocks, jc = task / grid.row_blocks;
        f(edge(ic), edge(ic + 1), panels * jc / grid.column_blocks, panels * (jc + 1) / grid.column_blocks, worker);
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
