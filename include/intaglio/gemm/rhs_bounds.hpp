// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is known of the magnitudes of a packed rhs, panel by panel, measured while it is packed: norms and the largest
// magnitude for proven chains, a bound of every sum for int32 totals, whether floats are finite. Other policies keep
// nothing.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/blocking.hpp"
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
    /// Memory held.
    dim_t bytes() const {
        return norms_.empty() ? 0 : static_cast<dim_t>(norms_.size() * norms_.front().values().size() * sizeof(float));
    }

    /// Measures panel p, whose digits and scales (if it has any) are given.
    void measure(const rhs_layout<Traits>& layout, dim_t p, const digit* panel, const std::uint8_t* scales) {
        if constexpr (Traits::proven) measure_norms(layout, p, panel);
        if constexpr (sums) measure_sums(layout, p, panel, scales);
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

    std::vector<std::int64_t> unit_;
    std::vector<norm_table> norms_;
    std::vector<std::int32_t> largest_;
    std::vector<char> finite_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
