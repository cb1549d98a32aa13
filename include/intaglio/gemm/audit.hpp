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
    /// Sums that were shadowed, one for each output and chain.
    std::int64_t chains() const { return chains_.load(); }
    std::int64_t overflows() const { return overflows_.load(); } ///< sums that differ from their shadow
    /// The largest magnitude that a chain's final sum reached.
    std::int64_t largest() const { return largest_.load(); }

    // Called by the kernel: what the registers held before chain c (nullptr: zeros) and after it.
    template <class Traits, int Rows>
    void count(const detail::lhs_panel<typename Traits::lhs_digit>& lhs, const typename Traits::rhs_digit* panel,
               const detail::chain& c, const typename Traits::lane* before, const typename Traits::lane* after) {
        constexpr int k = Traits::k, group = Traits::rhs_group;
        std::int64_t wrong = 0, most = 0;
        for (dim_t i = 0; i < Rows; ++i)
            for (dim_t j = 0; j < Traits::cols; ++j) {
                std::int64_t shadow = before ? static_cast<std::int64_t>(before[i * Traits::cols + j]) : 0;
                detail::segment_walk piece(lhs);
                for (piece.begin(c.lhs_plane, c.k, c.steps * k); piece.next();) {
                    const auto* b = panel + c.offset + piece.offset * Traits::cols + j * group;
                    for (dim_t s = 0; s < piece.length / k; ++s, b += k * Traits::cols)
                        for (dim_t q = 0; q < k; ++q)
                            shadow += value<Traits::lhs_planes>(
                                          piece.data[i * lhs.row_stride + s * lhs.step_stride + q], c.lhs_plane) *
                                      value<Traits::split_planes>(b[q / group * (group * Traits::cols) + q % group],
                                                                  c.rhs_plane);
                }
                wrong += shadow != static_cast<std::int64_t>(after[i * Traits::cols + j]);
                most = std::max(most, shadow < 0 ? -shadow : shadow);
            }
        chains_ += Rows * Traits::cols;
        overflows_ += wrong;
        std::int64_t seen = largest_.load();
        while (most > seen && !largest_.compare_exchange_weak(seen, most)) {
        }
    }

private:
    /// What a packed digit stands for: the high of two byte planes is signed although it is packed as bits.
    template <int Planes, class Digit>
    static std::int64_t value(Digit digit, int plane) {
        if constexpr (Planes == 2 && std::is_same_v<Digit, std::uint8_t>)
            if (plane == 0) return static_cast<std::int8_t>(digit);
        return static_cast<std::int64_t>(digit);
    }

    std::atomic<std::int64_t> chains_{0}, overflows_{0}, largest_{0};
};

} // namespace intaglio::inline INTAGLIO_ABI
