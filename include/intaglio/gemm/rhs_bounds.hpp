// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is known of the magnitudes of a packed rhs, panel by panel, measured while it is packed: norms and the largest
// magnitude for proven chains, where chains of int16 sums end, a bound of every sum for int32 totals, whether floats
// are finite. Other policies keep nothing.
//
// An int16 sum of products with elements of lhs up to A fits whatever these are while
//
//   A * (the magnitudes of the elements of rhs that it takes) <= 32767
//
// so a chain ends before the step with which some column of the panel would go beyond. Codes are small on the average:
// with A = 255, a mean magnitude of 3 and two sums for each output a chain is some 60 products long, where the largest
// code, 63, allows four.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/blocking.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/gemm/measure.hpp"
#include "intaglio/gemm/norms.hpp"
#include "intaglio/gemm/rhs_layout.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Traits>
class rhs_bounds {
public:
    static constexpr bool sums = std::is_same_v<typename Traits::total, std::int32_t>;
    using digit = typename Traits::rhs_digit;

    rhs_bounds() = default;
    explicit rhs_bounds(dim_t panels) {
        const auto count = static_cast<std::size_t>(panels);
        if constexpr (sums) unit_.assign(count, 0);
        if constexpr (Traits::proven) {
            norms_.resize(count);
            largest_.resize(count);
        }
        if constexpr (Traits::cut_by_sums) chain_ends_.resize(count);
        if constexpr (Traits::floats) finite_.assign(count, 1);
    }

    /// Proven policies: the largest magnitude of any element.
    std::int32_t largest() const { return largest_.empty() ? 0 : *std::max_element(largest_.begin(), largest_.end()); }
    /// Whether all elements are finite; true of integers.
    bool finite() const {
        return std::all_of(finite_.begin(), finite_.end(), [](char panel) { return panel != 0; });
    }
    const norm_table& norms(dim_t p) const { return norms_[static_cast<std::size_t>(p)]; }
    std::int64_t unit(dim_t p) const { return unit_[static_cast<std::size_t>(p)]; }
    const std::vector<dim_t>& chain_ends(dim_t p) const { return chain_ends_[static_cast<std::size_t>(p)]; }
    /// Memory held.
    dim_t bytes() const {
        std::size_t sum = norms_.empty() ? 0 : norms_.size() * norms_.front().values().size() * sizeof(float);
        for (const auto& ends : chain_ends_) sum += ends.size() * sizeof(dim_t);
        return static_cast<dim_t>(sum);
    }

    /// Measures panel p, whose digits and scales (if it has any) are given.
    void measure(const rhs_layout<Traits>& layout, dim_t p, const digit* panel, const std::uint8_t* scales) {
        if constexpr (Traits::proven) measure_norms(layout, p, panel);
        if constexpr (sums) measure_sums(layout, p, panel, scales);
        if constexpr (Traits::cut_by_sums) end_chains(layout.k, panel, chain_ends_[static_cast<std::size_t>(p)]);
    }

    /// Notes what some elements of panel p say: packing floats, and measuring them, goes strip by strip.
    void measure_floats(dim_t p, const float* elements, dim_t count) {
        if (!all_finite(elements, count)) finite_[static_cast<std::size_t>(p)] = 0;
    }

private:
    /// The norms are the largest of the panel's columns.
    void measure_norms(const rhs_layout<Traits>& layout, dim_t p, const digit* panel) {
        using atom = typename Traits::atom;
        square_sums most(layout.k);
        for (dim_t j = 0; j < std::min<dim_t>(Traits::cols, layout.n - p * Traits::cols); j += atom::n)
            measure_pairs<atom>(panel + j * Traits::k, layout.k, Traits::k * Traits::cols, most);
        norms_[static_cast<std::size_t>(p)] = norms_of(most, layout.k);
        largest_[static_cast<std::size_t>(p)] = largest_magnitude(panel, round_up(layout.k, Traits::k) * Traits::cols);
    }

    /// unit(p): the largest l1 norm of the panel's columns, scales included.
    void measure_sums(const rhs_layout<Traits>& layout, dim_t p, const digit* panel, const std::uint8_t* scales) {
        constexpr dim_t group = Traits::rhs_group, lanes = group * Traits::cols;
        std::int64_t sum[Traits::cols] = {};
        for (const rhs_run& run : layout.runs) {
            std::int32_t magnitudes[static_cast<std::size_t>(lanes)] = {};
            const digit* __restrict v = panel + run.offset;
            for (dim_t s = 0; s < round_up(run.length, Traits::k); s += group, v += lanes)
                for (dim_t e = 0; e < lanes; ++e) magnitudes[e] += v[e] < 0 ? -v[e] : v[e];
            for (dim_t e = 0; e < lanes; ++e) {
                const std::int64_t scale = scales ? scales[run.scale * Traits::cols + e / group] : 1;
                sum[e / group] += magnitudes[e] * scale;
            }
        }
        unit_[static_cast<std::size_t>(p)] = *std::max_element(sum, sum + Traits::cols);
    }

    /// Lists where chains end in a panel of one run of k elements, the last end included. The digits of a step that
    /// one sum takes are neighbours.
    static void end_chains(dim_t k, const digit* __restrict v, std::vector<dim_t>& ends) {
        using policy = typename Traits::policy;
        constexpr dim_t in_step = Traits::k * Traits::cols, taken = Traits::k / Traits::partial_sums,
                        lanes = in_step / taken;
        constexpr auto most =
            static_cast<std::int32_t>(products_in<typename Traits::digits::acc>(lhs_magnitude<policy>));
        std::int32_t chain[static_cast<std::size_t>(lanes)] = {};
        for (dim_t s = 0; s < k; s += Traits::k, v += in_step) {
            std::int32_t step[static_cast<std::size_t>(lanes)] = {}, largest = 0;
            for (dim_t e = 0; e < in_step; ++e) step[e / taken] += v[e] < 0 ? -v[e] : v[e];
            for (dim_t e = 0; e < lanes; ++e) largest = std::max(largest, chain[e] + step[e]);
            if (largest > most) {
                ends.push_back(s);
                std::fill_n(chain, lanes, 0);
            }
            for (dim_t e = 0; e < lanes; ++e) chain[e] += step[e];
        }
        ends.push_back(k);
    }

    std::vector<std::int64_t> unit_;
    std::vector<std::vector<dim_t>> chain_ends_;
    std::vector<norm_table> norms_;
    std::vector<std::int32_t> largest_;
    std::vector<char> finite_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
