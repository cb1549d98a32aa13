// SPDX-License-Identifier: Apache-2.0
#pragma once

// The plan of a product's reduction: blocks of kc that are packed at a time (loop 3), and in each of them the chains that the micro-kernel runs.

#include <algorithm>
#include <span>
#include <vector>

#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/packed_rhs.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// The reduction cut into blocks, and each block into chains: one list for all panels, or one per panel where chains are proven from norms.
template <class Traits>
class chain_plan {
public:
    using rhs_type = packed_rhs<typename Traits::policy, typename Traits::arch>;

    /// `lhs_norms` has one entry per norm_step elements of the reduction; used by proven chains only.
    chain_plan(const rhs_type& rhs, index kc, const std::vector<piece_norms>& lhs_norms, executor_ref exec) {
        const index k = rhs.k();
        index from = 0;
        do { // blocks end at multiples of the scale's block and of the norms' pieces
            index length = std::min(kc, k - from);
            if (from + length < k) {
                const index unit = Traits::block > 0 ? Traits::block : Traits::float_total && !Traits::floats ? Traits::longest_chain() : norm_step;
                length = std::min(k - from, std::max(unit, length / unit * unit));
            }
            blocks_.push_back({from, from + length});
            from += length;
        } while (from < k);
        lists_ = Traits::proven ? rhs.panels() : 1;
        chains_.resize(static_cast<std::size_t>(lists_) * blocks_.size());
        if constexpr (Traits::proven) {
            exec.for_each(ceil_div(lists_, 16), [&](index group, int) {
                for (index p = group * 16; p < std::min(lists_, group * 16 + 16); ++p)
                    for (std::size_t b = 0; b < blocks_.size(); ++b)
                        cut_proven(rhs.runs().front(), blocks_[b].k0, blocks_[b].k1, Traits::k, Traits::cols, lhs_norms.data(), rhs.norms(p), list(p, b));
            });
        } else {
            for (std::size_t b = 0; b < blocks_.size(); ++b)
                for (const rhs_run& run : rhs.runs()) cut_fixed(run, blocks_[b], list(0, b));
        }
    }

    struct block {
        index k0, k1;
    };
    const std::vector<block>& blocks() const { return blocks_; }
    std::span<const chain> chains(index panel, std::size_t b) const {
        return chains_[static_cast<std::size_t>(Traits::proven ? panel : 0) * blocks_.size() + b];
    }

private:
    std::vector<chain>& list(index panel, std::size_t b) { return chains_[static_cast<std::size_t>(panel) * blocks_.size() + b]; }

    static void cut_fixed(const rhs_run& run, const block& b, std::vector<chain>& out) {
        const index begin = std::max(run.k, b.k0), end = std::min(run.k + run.length, b.k1);
        for (index k = begin; k < end;) {
            const index length = std::min(Traits::longest_chain(), end - k);
            for (int lp = 0; lp < Traits::lhs_planes; ++lp) {
                const int rp = run.plane % Traits::split_planes;
                const int shift = Traits::lhs_planes == 2 ? 8 * ((lp == 0) + (rp == 0)) : 0;
                out.push_back({k, ceil_div(length, Traits::k), run.offset + (k - run.k) * Traits::cols, lp, rp, run.scale, shift});
            }
            k += length;
        }
    }

    std::vector<block> blocks_;
    std::vector<std::vector<chain>> chains_;
    index lists_ = 1;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
