// SPDX-License-Identifier: Apache-2.0
#pragma once

// The plan of a product's reduction: blocks of kc that are packed at a time (loop 3), and in each of them the chains
// that the micro-kernel runs. Chains that norms prove are cut when a block of lhs is gathered and known, those of int16
// sums panel by panel (cut); all others here, one list for all panels.

#include <algorithm>
#include <span>
#include <vector>

#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/packed_rhs.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Traits>
class chain_plan {
public:
    using rhs_type = packed_rhs<typename Traits::policy, typename Traits::arch>;

    chain_plan() = default;
    chain_plan(const rhs_type& rhs, dim_t kc) { set(rhs, kc); }

    /// Plans a product with `rhs`, which must outlive its use, in blocks of about kc.
    [[gnu::noinline]] void set(const rhs_type& rhs, dim_t kc) {
        rhs_ = &rhs;
        blocks_.clear();
        // blocks of about kc and of about the same length, which end at multiples of the scale's block, unless scales
        // are folded and it is no whole steps, and of the norms' pieces
        const bool by_scales = Traits::block > 0 && (Traits::block % Traits::k == 0 || !rhs.folded());
        const dim_t unit = by_scales                                ? Traits::block
                           : Traits::float_total && !Traits::floats ? Traits::longest_chain()
                                                                    : longest_piece;
        const dim_t k = rhs.k(), count = std::max<dim_t>(1, (k + kc / 2) / kc),
                    length = std::max(unit, round_up(ceil_div(k, count), unit));
        for (dim_t from = 0; from == 0 || from < k; from += length)
            blocks_.push_back({from, std::min(k, from + length)});
        if constexpr (!Traits::own_chains) {
            fixed_.resize(std::max(fixed_.size(), blocks_.size()));
            for (std::size_t b = 0; b < blocks_.size(); ++b) {
                fixed_[b].clear();
                for (const rhs_run& run : rhs.runs()) cut_fixed(run, blocks_[b], fixed_[b]);
            }
        }
    }

    struct block {
        dim_t k0, k1;
    };
    const std::vector<block>& blocks() const { return blocks_; }
    /// Those of block b that all panels share; none where each has its own.
    std::span<const chain> chains(std::size_t b) const {
        return Traits::own_chains ? std::span<const chain>{} : std::span<const chain>(fixed_[b]);
    }

    /// Cuts block b for a panel and a block of lhs whose norms begin at element `lhs_first` of the reduction; appends
    /// the chains to `out`: one where rhs says that it fits.
    void cut(dim_t panel, std::size_t b, const norm_table& lhs, dim_t lhs_first, std::vector<chain>& out) const {
        const rhs_run& run = rhs_->runs().front();
        const auto [k0, k1] = blocks_[b];
        if constexpr (Traits::cut_by_sums)
            cut_at(rhs_->chain_ends(panel), run, k0, k1, Traits::k, Traits::cols, out);
        else if (!rhs_->whole_chains())
            cut_proven(run, k0, k1, Traits::k, Traits::cols, lhs, lhs_first, rhs_->norms(panel), out);
        else if (k0 < k1)
            out.push_back(chain_of(run, k0, k1, Traits::k, Traits::cols));
    }

private:
    static void cut_fixed(const rhs_run& run, const block& b, std::vector<chain>& out) {
        const dim_t begin = std::max(run.k, b.k0), end = std::min(run.k + run.length, b.k1);
        for (dim_t k = begin; k < end;) {
            const dim_t length = std::min(Traits::longest_chain(), end - k);
            for (int lp = 0; lp < Traits::lhs_planes; ++lp) {
                const int rp = run.plane % Traits::split_planes;
                if (Traits::lhs_planes == 2 && !computes_planes<typename Traits::policy>(lp, rp)) continue;
                const int shift = Traits::lhs_planes == 2 ? 8 * ((lp == 0) + (rp == 0)) : 0;
                out.push_back({k, ceil_div(length, Traits::k), run.offset + (k - run.k) * Traits::cols, lp, rp,
                               run.scale, shift});
            }
            k += length;
        }
    }

    const rhs_type* rhs_ = nullptr;
    std::vector<block> blocks_;
    std::vector<std::vector<chain>> fixed_; ///< by block, of which there may be fewer
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
