// SPDX-License-Identifier: Apache-2.0
#pragma once

// One product whose reduction comes in parts, each with operands of its own, so that what is packed of them stays in
// L2: the weight gradient of many images, for one. Every thread sums its parts in totals of its own, which are added
// last. That needs exact totals, whose sums don't depend on the order.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/driver.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// For policies with totals of int64.
template <GemmPolicy P, class Arch, class Out, class Stages>
class product_in_parts {
    using traits = kernel_traits<P, Arch>;
    using call_type = product_call<traits, Out, Stages>;
    static_assert(!traits::float_total && std::is_same_v<typename traits::total, std::int64_t>);

public:
    /// Bytes of the totals of a product of so many rows and columns, in whole tiles.
    static dim_t totals_bytes(dim_t rows, dim_t cols) {
        return round_up(rows, traits::rows) * round_up(cols, traits::cols) *
               static_cast<dim_t>(sizeof(typename traits::total));
    }

    product_in_parts(const output_target<Out, Stages>& to, dim_t rows, dim_t cols, int workers)
        : to_(to), rows_(rows), cols_(cols), sums_(static_cast<std::size_t>(workers)) {}

    /// Adds a part, on thread `worker`. All parts have the same scales.
    template <class Source>
    void add(const Source& source, double lhs_scale, const packed_rhs<P, Arch>& rhs, audit* check, int worker) {
        const float_environment scope;
        [[maybe_unused]] const simd::atom_scope<typename traits::atom> atoms{};
        const cache_sizes cache = cache_sizes::of_this_machine();
        const chain_plan<traits> plan(rhs, reduction_block<traits>(cache, source.along_rows()));
        auto& mine = sums_[static_cast<std::size_t>(worker)];
        const bool first = !mine.factors;
        if (first) mine.factors.emplace(rhs, lhs_scale);
        call_type call = call_of<traits>(source, {}, rhs, plan, *mine.factors, to_, cache, check);
        call.first = first;
        call.last = false;
        block_run<traits, call_type>(call, 0, rows_, 0, rhs.panels(), mine.scratch).run(source);
    }
    /// Sends the sum of all parts, which were at least one, to the output.
    void finish() {
        const float_environment scope;
        const auto used = [](const sums_of_worker& w) { return w.factors.has_value(); };
        const auto first = std::find_if(sums_.begin(), sums_.end(), used);
        auto& sum = first->scratch.totals;
        for (auto other = first + 1; other != sums_.end(); ++other)
            if (used(*other))
                for (dim_t e = 0; e < sum.size(); ++e) sum[e] += other->scratch.totals[e];
        const auto* totals = sum.data();
        for (dim_t j = 0; j < cols_; j += traits::cols)
            for (auto i = first->scratch.tiles.begin(); i + 1 != first->scratch.tiles.end();
                 ++i, totals += traits::tile_size)
                finish_tile<traits>(to_, *first->factors, nullptr, plain_totals<typename traits::total>{totals}, *i,
                                    i[1] - *i, j, std::min<dim_t>(traits::cols, cols_ - j));
    }

private:
    struct sums_of_worker {
        worker_scratch<traits> scratch;
        std::optional<output_factors<traits>> factors; ///< as soon as there is a part
    };
    output_target<Out, Stages> to_;
    dim_t rows_, cols_;
    std::vector<sums_of_worker> sums_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
