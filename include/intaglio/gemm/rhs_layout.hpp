// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where things lie in a packed rhs: panels of nr columns, in each of them the steps of the atom one after the other.
//
//   panel (nr = 4, k = 2)      step 0: b00 b10 b01 b11 b02 b12 b03 b13   step 1: b20 b30 b21 b31 ...   b(k, column)
//
// Columns beyond n and elements beyond the end of a run are zeros. A panel is a list of runs: one per plane where a
// scale holds for the whole reduction, one per block and plane where it holds for a block. All panels have the same.

#include <algorithm>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/gemm/narrow_panels.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// How a packed rhs of codes is stored. `fast` folds scales into bytes where that saves the flush of each block;
/// `small` keeps codes of up to 4 bits narrow in any case, which is also faster where few rows of lhs read weights that
/// lie outside the caches; `smallest` stores five trits in a byte, a fifth less memory than `small`, and is slower to
/// expand. It is the same as `small` for other codes. `compact` takes as few bits for codes of up to 127 as most of
/// them need, and lists the others (compact_panels.hpp), where scales are shared by nothing smaller than a column and
/// digits are bytes or int16; otherwise it is `small`. Results are the same.
enum class rhs_storage { fast, small, smallest, compact };

namespace detail {

/// A run of the packed rhs: elements [k, k + length) of the reduction, one plane, at `offset` digits from the panel's
/// start.
struct rhs_run {
    dim_t k = 0;
    dim_t length = 0;
    dim_t offset = 0;
    int plane = 0; ///< plane of the packed rhs
    int scale = 0; ///< index of the block scale: block * planes + plane
};

template <class Traits>
struct rhs_layout {
    dim_t k = 0, n = 0;
    bool folded = false;  ///< the block scales are folded into the digits; there is one run and no scales
    bool narrow = false;  ///< digits take less than a byte each (narrow_panels.hpp)
    bool fives = false;   ///< five of them in a byte; otherwise every run begins with a group
    bool compact = false; ///< digits take as little as most of them need (compact_panels.hpp)
    std::vector<rhs_run> runs;
    dim_t panel_digits = 0; ///< from one panel to the next
    dim_t scale_rows = 0;   ///< scales of a column
    bool filled = false;    ///< runs are whole steps and leave nothing between them and behind the last

    rhs_layout() = default;
    rhs_layout(dim_t k_, dim_t n_, rhs_storage storage, bool folded_) : k(k_), n(n_), folded(folded_) {
        narrow = Traits::narrow_bits > 0 && !folded;
        compact = Traits::can_be_compact && storage == rhs_storage::compact;
        fives = narrow && Traits::narrow_bits == 2 && storage == rhs_storage::smallest;
        dim_t offset = 0;
        const auto add = [&](dim_t from, dim_t length, int plane, int scale) {
            runs.push_back({from, length, offset, plane, scale});
            offset += ceil_div(length, Traits::k) * Traits::k * Traits::cols;
            if (narrow && !fives) offset = round_up(offset, narrow_group());
        };
        if (folded) {
            add(0, k, 0, 0);
        } else if constexpr (Traits::block > 0) {
            int scale = 0;
            for (dim_t b = 0; b * Traits::block < k; ++b)
                for (int p = 0; p < Traits::rhs_planes; ++p)
                    add(b * Traits::block, std::min(Traits::block, k - b * Traits::block), p, scale++);
            scale_rows = scale;
            // the policy's chains, each padded to whole steps
        } else if constexpr (Traits::float_total && !Traits::floats) {
            for (int p = 0; p < Traits::rhs_planes; ++p)
                for (dim_t from = 0; from < k; from += Traits::longest_chain())
                    add(from, std::min(Traits::longest_chain(), k - from), p, 0);
        } else {
            for (int p = 0; p < Traits::rhs_planes; ++p) add(0, k, p, 0);
            if (Traits::cut_by_sums) scale_rows = 1; // of ones
        }
        constexpr dim_t line = std::max<dim_t>(1, 64 / static_cast<dim_t>(sizeof(typename Traits::rhs_digit)));
        panel_digits = round_up(offset, narrow ? narrow_group() : line);
        filled = offset == panel_digits &&
                 std::all_of(runs.begin(), runs.end(), [](const auto& run) { return run.length % Traits::k == 0; });
    }

    dim_t panels() const { return ceil_div(n, Traits::cols); }
    dim_t narrow_group() const { return narrow_group_of<Traits::narrow_bits>(fives); }
};

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI
