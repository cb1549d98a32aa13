// SPDX-License-Identifier: Apache-2.0
#pragma once

// The checked mode. Given an audit, the kernel shadows each chain with a sum in int64, taken from the same packed
// digits by plain code, and counts where the two differ, that is where the accumulator overflowed. By the laws and the
// proofs of the library the count is always zero; the audit is how anyone can see it. It costs many times the product
// itself.

#include <atomic>
#include <cstdint>

#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/lhs_panel.hpp"

namespace intaglio::inline INTAGLIO_ABI {

class audit {
public:
    /// With `sums` false chains are only listed: longest() is known, nothing is shadowed.
    explicit audit(bool sums = true) : sums_(sums) {}

    /// The longest chain, in elements of the reduction (of zeros too, where padding fills a step).
    std::int64_t longest() const { return longest_.load(); }
    /// Sums that were shadowed, one for each output and chain.
    std::int64_t chains() const { return chains_.load(); }
    std::int64_t overflows() const { return overflows_.load(); } ///< sums that differ from their shadow
    /// The largest magnitude that a chain's final sum reached.
    std::int64_t largest() const { return largest_.load(); }

    // Called by the kernel: what the registers of a tile's first `rows` rows held before chain c (nullptr: zeros) and
    // after it.
    template <class Traits>
    void count(const detail::lhs_panel<typename Traits::lhs_digit>& lhs, const typename Traits::rhs_digit* panel,
               const detail::chain& c, const typename Traits::lane* before, const typename Traits::lane* after,
               dim_t rows) {
        raise(longest_, c.steps * Traits::k);
        if (!sums_) return;
        count(tile_shape{rows, Traits::cols, Traits::k, Traits::rhs_group, Traits::lhs_planes == 2,
                         Traits::split_planes == 2},
              lhs, panel, c, before, after);
    }

    /// `sums` final sums of chains of `length` elements that the caller has shadowed itself.
    void count(std::int64_t length, std::int64_t sums, std::int64_t wrong, std::int64_t largest) {
        raise(longest_, length);
        chains_ += sums;
        overflows_ += wrong;
        raise(largest_, largest);
    }
    /// Whether sums are shadowed.
    bool shadows() const { return sums_; }

private:
    /// All that the sums of a tile depend on beside types, as numbers: one text serves every tile, and is compiled once
    /// for each kind of digits.
    struct tile_shape {
        dim_t rows, cols, k, group;
        bool lhs_split, rhs_split; ///< into two byte planes
    };

    template <class Lhs, class Rhs, class Lane>
    [[gnu::noinline]] void count(const tile_shape& tile, const detail::lhs_panel<Lhs>& lhs, const Rhs* panel,
                                 const detail::chain& c, const Lane* before, const Lane* after) {
        std::int64_t wrong = 0, most = 0;
        for (dim_t i = 0; i < tile.rows; ++i)
            for (dim_t j = 0; j < tile.cols; ++j) {
                const dim_t e = i * tile.cols + j;
                std::int64_t shadow = before ? static_cast<std::int64_t>(before[e]) : 0;
                detail::segment_walk piece(lhs);
                for (piece.begin(c.lhs_plane, c.k, c.steps * tile.k); piece.next();) {
                    const Rhs* b = panel + c.offset + piece.offset * tile.cols + j * tile.group;
                    const Lhs* a = piece.data + i * lhs.row_stride;
                    for (dim_t k = 0; k < piece.length; k += tile.k, a += lhs.step_stride, b += tile.k * tile.cols)
                        for (dim_t g = 0; g < tile.k; g += tile.group)
                            for (dim_t q = 0; q < tile.group; ++q)
                                shadow += value(a[g + q], tile.lhs_split && c.lhs_plane == 0) *
                                          value(b[g * tile.cols + q], tile.rhs_split && c.rhs_plane == 0);
                }
                wrong += shadow != static_cast<std::int64_t>(after[e]);
                most = std::max(most, shadow < 0 ? -shadow : shadow);
            }
        chains_ += tile.rows * tile.cols;
        overflows_ += wrong;
        raise(largest_, most);
    }

    static void raise(std::atomic<std::int64_t>& to, std::int64_t value) {
        for (std::int64_t seen = to.load(); seen < value && !to.compare_exchange_weak(seen, value);) {
        }
    }

    /// What a packed digit stands for: the high of two byte planes is signed although it is packed as bits.
    template <class Digit>
    static std::int64_t value(Digit digit, bool high) {
        if constexpr (std::is_same_v<Digit, std::uint8_t>)
            if (high) return static_cast<std::int8_t>(digit);
        return static_cast<std::int64_t>(digit);
    }

    bool sums_;
    std::atomic<std::int64_t> chains_{0}, overflows_{0}, largest_{0}, longest_{0};
};

} // namespace intaglio::inline INTAGLIO_ABI
