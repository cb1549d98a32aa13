// SPDX-License-Identifier: Apache-2.0
#pragma once

// The chains of one block of the reduction, panel by panel: the plan's, which all panels share, but where a panel has
// its own, cut from its bounds or without the runs that are zeros.

#include <span>
#include <vector>

#include "intaglio/gemm/chain_plan.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Traits>
class panel_chains {
public:
    using plan_type = chain_plan<Traits>;
    using rhs_type = typename plan_type::rhs_type;

    /// Lists those of panels [p0, p1) in block `block`. `lhs`: the norms of the block of lhs, from element `lhs_first`
    /// of the reduction on; `zeros_vanish`: runs of zeros are left out.
    void list(const plan_type& plan, const rhs_type& rhs, dim_t p0, dim_t p1, std::size_t block, const norm_table& lhs,
              dim_t lhs_first, bool zeros_vanish) {
        shared_ = plan.chains(block);
        first_panel_ = p0;
        own_.clear();
        places_.clear();
        for (dim_t panel = p0; panel < p1; ++panel) {
            const std::size_t first = own_.size();
            bool own = Traits::own_chains;
            if constexpr (Traits::own_chains) {
                plan.cut(panel, block, lhs, lhs_first, own_);
            } else if (const auto zeros = rhs.zero_runs(panel); zeros_vanish && !zeros.empty()) {
                own = true;
                for (const chain& c : shared_)
                    if (!zeros[static_cast<std::size_t>(c.scale)]) own_.push_back(c);
            }
            places_.push_back({first, own_.size() - first, own});
        }
    }

    std::span<const chain> of(dim_t panel) const {
        const place& p = places_[static_cast<std::size_t>(panel - first_panel_)];
        return p.own ? std::span<const chain>(own_).subspan(p.first, p.count) : shared_;
    }

private:
    struct place {
        std::size_t first, count; ///< in own_
        bool own;
    };
    std::span<const chain> shared_;
    std::vector<chain> own_;
    std::vector<place> places_; ///< by panel
    dim_t first_panel_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
