// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the edge of a product refuses beside operands whose parts do not agree (tensor/operand_view.hpp): reductions and
// elements that its bounds do not cover. The first offender is named.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "intaglio/core/error.hpp"
#include "intaglio/gemm/policy.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// How the rows of rhs are found: row k starts at row(k), its columns lie `col_stride` apart. Rows need not be evenly
/// spaced, so a subset of a filter's taps is a source too.
template <class T>
struct rhs_rows {
    const T* data = nullptr;
    dim_t row_stride = 0;
    dim_t col_stride = 1;
    const dim_t* offsets = nullptr; ///< of each row, instead of k * row_stride; negative: a row of zeros
    const T* zeros = nullptr;       ///< such a row

    const T* row(dim_t k) const {
        return !offsets ? data + k * row_stride : offsets[k] < 0 ? zeros : data + offsets[k];
    }
};

/// Zeros that are put into the reduction: each piece of `length` elements takes up `padded`, a multiple of the atom's
/// step.
struct zero_padding {
    dim_t length = 0, padded = 0; ///< equal: none
    bool none() const { return length == padded; }
    dim_t place(dim_t k) const { return none() ? k : k / length * padded + k % length; }
    dim_t depth(dim_t k) const { return none() ? k : k / length * padded; }
    dim_t pieces(dim_t depth) const { return none() ? 1 : depth / padded; }
};

/// Throws unless each element is in its format's range; `name` says whose.
template <class Format, class T>
void require_range(const char* name, const rhs_rows<T>& v, dim_t rows, dim_t cols) {
    if constexpr (IntegerFormat<Format>) {
        if constexpr (Format::min_value > std::numeric_limits<T>::min() ||
                      Format::max_magnitude < std::numeric_limits<T>::max()) {
            const bool by_column = v.col_stride != 1 && !v.offsets && v.row_stride == 1;
            for (dim_t outer = 0; outer < (by_column ? cols : rows); ++outer) {
                const T* line = by_column ? v.data + outer * v.col_stride : v.row(outer);
                const dim_t count = by_column ? rows : cols, step = by_column ? 1 : v.col_stride;
                T low = 0, high = 0;
                for (dim_t e = 0; e < count; ++e) {
                    low = std::min(low, line[e * step]);
                    high = std::max(high, line[e * step]);
                }
                if (low >= Format::min_value && high <= Format::max_magnitude) continue;
                for (dim_t e = 0; e < count; ++e) {
                    const auto value = static_cast<std::int64_t>(line[e * step]);
                    require<value_error>(value >= Format::min_value && value <= Format::max_magnitude, "gemm: ", name,
                                         " holds ", value, " at (", by_column ? e : outer, ", ", by_column ? outer : e,
                                         "), outside its format's range ", Format::min_value, " .. ",
                                         Format::max_magnitude, "; quantize it again or use a wider format");
                }
            }
        }
    }
}

/// Whether elements of lhs have to be in their format's range. The proof of a chain covers every int16, and so -32768
/// too, on the side that is measured when it is used.
template <GemmPolicy P>
constexpr bool checks_lhs = !std::is_same_v<typename P::chain, proven_chain>;

/// The same for proven policies, whose norms know the largest magnitude already: the elements are looked at only to
/// name the first offender.
template <GemmPolicy P, class T>
void require_proven_range(const char* name, std::int64_t largest, const rhs_rows<T>& v, dim_t rows, dim_t cols) {
    using format = std::conditional_t<std::is_same_v<T, typename P::rhs::storage>, typename P::rhs::format,
                                      typename P::lhs::format>;
    if constexpr (IntegerFormat<format>)
        if (largest > format::max_magnitude) require_range<format>(name, v, rows, cols);
}

/// The longest reduction whose total fits the policy's total, whatever the data.
template <GemmPolicy P>
constexpr dim_t longest_reduction() {
    if constexpr (std::is_same_v<typename P::total, float>) {
        return std::numeric_limits<dim_t>::max();
    } else {
        // int64 totals stay below 2^51, where the conversion to double in the epilogue is exact
        constexpr std::int64_t most = std::is_same_v<typename P::total, std::int64_t>
                                          ? std::int64_t{1} << 51
                                          : std::numeric_limits<typename P::total>::max();
        constexpr std::int64_t scale = P::rhs::block > 0 ? 255 * P::rhs::planes : 1;
        return static_cast<dim_t>(most / (P::lhs::format::max_magnitude * P::rhs::format::max_magnitude * scale));
    }
}

template <GemmPolicy P>
void check_reduction(dim_t k) {
    require<value_error>(k <= longest_reduction<P>(), "gemm: the reduction is ", k, " long, and sums of more than ",
                         longest_reduction<P>(),
                         " products of this policy may not fit its total; use a wider total or split the product");
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
