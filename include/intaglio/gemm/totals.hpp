// SPDX-License-Identifier: Apache-2.0
#pragma once

// Totals of a tile, and a row of them times the factors of their columns: output_value (numeric/rescale.hpp), rounded
// once from the exact product, in double, or in float where output_factors.hpp says that the result is the same.
//
// NaN only comes from float totals and from factors that are not finite, which are never multiplied in float: so
// integers times floats need not look for it.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "intaglio/gemm/epilogue.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/simd/arch/fused.hpp"
#include "intaglio/simd/arch/widen.hpp"
#include "intaglio/simd/atom.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// A tile's row of `Count` columns is scaled by vectors of so many elements of 4 bytes.
template <int Count>
constexpr int output_lanes = std::min(simd::widest_vector / 4, Count);

/// v[j] = float(total[j] * factor[j]), rounded once from the exact product.
template <class Doubles>
INTAGLIO_INLINE void store_scaled(Doubles total, const double* factors, float* v) {
    const Doubles product = total * simd::load_vector<Doubles>(factors);
    using floats = simd::vector<float, sizeof(Doubles) / sizeof(double)>;
    simd::store_vector(v, simd::canonical(__builtin_convertvector(product, floats)));
}

/// The values of totals that are sums of floats, times factors in float.
template <class Floats>
INTAGLIO_INLINE Floats float_values(Floats total, const float* factors) {
    return simd::canonical((total + 0.0F) * simd::load_vector<Floats>(factors));
}

/// A total in float, rounded once.
template <class Ints>
INTAGLIO_INLINE auto single_total(Ints total) {
    return __builtin_convertvector(total, simd::vector<float, sizeof(Ints) / sizeof(std::int32_t)>);
}
/// The same of high * 2^carry_bits + low, for sums up to carried_totals::largest_single.
template <class Ints>
INTAGLIO_INLINE auto single_total(Ints high, Ints low) {
    constexpr std::int32_t unit = 1 << simd::carry_bits;
    return single_total(high + (low >> simd::carry_bits)) * static_cast<float>(unit) + single_total(low & (unit - 1));
}

/// An int32 total below 2^26 times a factor of 22 bits, rounded once: without its lowest two bits the total is exact in
/// float, and those times the factor are, too.
template <class Ints>
INTAGLIO_INLINE auto split_product(Ints total, const float* factors) {
    const Ints low = total & 3;
    const auto factor = simd::load_vector<simd::vector<float, sizeof(Ints) / sizeof(std::int32_t)>>(factors);
    return simd::fused(single_total(total - low), factor, single_total(low) * factor);
}
inline constexpr std::int64_t longest_split = std::int64_t{1} << 26;

/// Totals of a tile as they are.
template <class Total>
struct plain_totals {
    const Total* t;
    static constexpr bool has_single = sizeof(Total) == 4;
    Total exact(dim_t e) const { return t[e]; }
    double wide(dim_t e) const { return to_double(t[e]); }
    /// A row of `Count` totals from e on, times factors.
    template <int Count>
    INTAGLIO_INLINE void scale(dim_t e, const double* factors, float* v) const {
        constexpr int lanes = output_lanes<Count> / 2;
        if constexpr (std::is_same_v<Total, float>)
            for (int j = 0; j < Count; j += lanes)
                store_scaled(simd::convert_vector<double, lanes>(t + e + j) + 0.0, factors + j, v + j);
        else if constexpr (sizeof(Total) == 4)
            for (int j = 0; j < Count; j += lanes)
                store_scaled(simd::convert_vector<double, lanes>(t + e + j), factors + j, v + j);
        else
            for (int j = 0; j < Count; ++j) v[j] = canonical(static_cast<float>(wide(e + j) * factors[j]));
    }
    /// A vector of totals from e on, times factors in float.
    template <class Floats>
    INTAGLIO_INLINE Floats single(dim_t e, const float* factors) const {
        if constexpr (std::is_same_v<Total, float>)
            return float_values(simd::load_vector<Floats>(t + e), factors);
        else
            return single_total(ints<Floats>(e)) * simd::load_vector<Floats>(factors);
    }
    template <class Floats>
    INTAGLIO_INLINE Floats split(dim_t e, const float* factors) const {
        return split_product(ints<Floats>(e), factors);
    }

private:
    template <class Floats>
    INTAGLIO_INLINE auto ints(dim_t e) const {
        return simd::load_vector<simd::vector<std::int32_t, sizeof(Floats) / sizeof(float)>>(t + e);
    }
};

/// Totals in two parts: high * 2^carry_bits + low, where low may be any int32.
struct carried_totals {
    const std::int32_t *low, *high;
    static constexpr bool has_single = true;
    static constexpr std::int64_t unit = std::int64_t{1} << simd::carry_bits;
    std::int64_t exact(dim_t e) const { return high[e] * unit + low[e]; }
    double wide(dim_t e) const {
        return static_cast<double>(high[e]) * static_cast<double>(unit) + static_cast<double>(low[e]);
    }
    /// A row of `Count` totals from e on, divided by `Parts`, a power of two, times factors.
    template <int Count, int Parts = 1>
    INTAGLIO_INLINE void scale(dim_t e, const double* factors, float* v) const {
        constexpr int lanes = output_lanes<Count> / 2;
        for (int j = 0; j < Count; j += lanes) {
            const auto h = simd::convert_vector<double, lanes>(high + e + j),
                       l = simd::convert_vector<double, lanes>(low + e + j);
            store_scaled(h * (static_cast<double>(unit) / Parts) + l * (1.0 / Parts), factors + j, v + j);
        }
    }
    /// In float: rounds once for sums up to this magnitude, of which both parts are exact, and so is their sum's
    /// product with a power of two.
    static constexpr double largest_single = static_cast<double>(unit << 24);
    template <class Floats>
    INTAGLIO_INLINE Floats single(dim_t e, const float* factors) const {
        using ints = simd::vector<std::int32_t, sizeof(Floats) / sizeof(float)>;
        return single_total(simd::load_vector<ints>(high + e), simd::load_vector<ints>(low + e)) *
               simd::load_vector<Floats>(factors);
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
