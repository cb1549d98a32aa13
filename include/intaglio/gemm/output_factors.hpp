// SPDX-License-Identifier: Apache-2.0
#pragma once

// The factors that turn totals into real numbers (numeric/rescale.hpp), one for each column, and the proof of which
// arithmetic is exact with them: where totals are small or factors powers of two, float gives the bits of double.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "intaglio/gemm/norms.hpp"
#include "intaglio/gemm/totals.hpp"
#include "intaglio/numeric/rescale.hpp"
#include "intaglio/simd/arch/fused.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// How totals are multiplied by their factors: in double, or in float with the same result.
enum class output_path : char { wide, single, split };

/// The factors of the columns, as doubles and as floats, and for each panel how totals are multiplied by them. In float
/// where the result is the same: float(t) rounds once and the product is exact where the factor is a power of two;
/// where totals stay below 2^24, float(t) is exact and the product rounds once; and up to 2^26 in two parts.
template <class Traits>
struct output_factors {
    std::vector<double> wide; ///< output_factor of each column; without it where lhs has row scales still to come
    std::vector<float> single;
    static constexpr bool row_scales = Traits::policy::lhs::sharing::by_row && Traits::policy::lhs::block == 0;
    static constexpr bool splits = simd::fuses && std::is_same_v<typename Traits::total, std::int32_t>;
    std::vector<output_path> paths; ///< by panel

    output_factors() = default;
    template <class Rhs>
    output_factors(const Rhs& rhs, double lhs_scale) {
        set(rhs, lhs_scale);
    }
    template <class Rhs>
    [[gnu::noinline]] void set(const Rhs& rhs, double lhs_scale) {
        wide.resize(static_cast<std::size_t>(rhs.panels() * Traits::cols));
        single.resize(wide.size());
        paths.resize(static_cast<std::size_t>(rhs.panels()));
        for (std::size_t j = 0; j < wide.size(); ++j) {
            wide[j] = lhs_scale * rhs.factors()[j];
            if constexpr (!row_scales) wide[j] = output_factor<typename Traits::total>(wide[j]);
            single[j] = static_cast<float>(wide[j]);
        }
        constexpr auto columns = static_cast<std::size_t>(Traits::cols);
        for (std::size_t p = 0; p < paths.size(); ++p) {
            bool normal = true, powers = true;
            for (std::size_t j = p * columns; j < std::min((p + 1) * columns, static_cast<std::size_t>(rhs.n())); ++j) {
                const auto bits = std::bit_cast<std::uint64_t>(wide[j]);
                const int exponent = static_cast<int>(bits >> 52 & 2047) - 1023; // -1023: zero
                powers &= bits << 12 == 0;
                normal &= exponent > -126 && exponent < 95;
            }
            if constexpr (Traits::carries)
                powers = powers && 32768 * rhs.l1_bound(static_cast<dim_t>(p)) < carried_totals::largest_single;
            std::int64_t bound = std::numeric_limits<std::int64_t>::max();
            if constexpr (std::is_same_v<typename Traits::total, std::int32_t>)
                bound = rhs.unit_bound(static_cast<dim_t>(p)) * Traits::policy::lhs::format::max_magnitude;
            if (normal && (powers || bound < (1 << 24)))
                paths[p] = output_path::single;
            else
                paths[p] = normal && splits && bound < longest_split ? output_path::split : output_path::wide;
        }
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
