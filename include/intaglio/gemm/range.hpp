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

/// Whether all elements from v on are in a format's range.
template <class Format, class T>
bool in_range(const T* v, dim_t count) {
    T low = 0, high = 0;
    for (dim_t e = 0; e < count; ++e) {
        low = std::min(low, v[e]);
        high = std::max(high, v[e]);
    }
    return low >= Format::min_value && high <= Format::max_magnitude;
}

/// Throws unless each element is in its format's range; `name` says whose.
template <class Format, class T>
void require_range(const char* name, const rhs_rows<T>& v, dim_t rows, dim_t cols) {
    if constexpr (IntegerFormat<Format>) {
        if constexpr (Format::min_value > std::numeric_limits<T>::min() ||
                      Format::max_magnitude < std::numeric_limits<T>::max()) {
            const bool dense = !v.offsets && v.col_stride == 1 && v.row_stride == cols;
            if (dense && in_range<Format>(v.data, rows * cols)) return;
            const bool by_column = v.col_stride != 1 && !v.offsets && v.row_stride == 1;
            for (dim_t outer = 0; outer < (by_column ? cols : rows); ++outer) {
                const T* line = by_column ? v.data + outer * v.col_stride : v.row(outer);
                const dim_t count = by_column ? rows : cols, step = by_column ? 1 : v.col_stride;
                if (step == 1 && in_range<Format>(line, count)) continue;
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

/// Whether elements of lhs have to be in their format's range.
template <GemmPolicy P>
constexpr bool checks_lhs = !takes_any_int16<P>;

/// The same for proven policies, whose norms know the largest magnitude already: the elements are looked at only to
/// name the first offender.
template <GemmPolicy P, class T>
void require_proven_range(const char* name, std::int64_t largest, const rhs_rows<T>& v, dim_t rows, dim_t cols) {
    using format = std::conditional_t<std::is_same_v<T, typename P::rhs::storage>, typename P::rhs::format,
                                      typename P::lhs::format>;
    if constexpr (IntegerFormat<format>)
        if (largest > format::max_magnitude) require_range<format>(name, v, rows, cols);
}

/// Throws where the sums of some product might not fit the policy's total.
template <GemmPolicy P>
void check_reduction(dim_t k) {
    require<value_error>(k <= longest_reduction<P>(), "gemm: the reduction is ", k, " long, and sums of more than ",
                         longest_reduction<P>(),
                         " products of this policy may not fit its total; use a wider total or split the product");
}

/// The same where rhs has integer scales per block: what counts is the scales that there are. For each column the sum
/// over blocks and planes of scale * length of the block bounds its totals, in units of the largest product.
template <GemmPolicy P>
void check_scaled_reduction(const rhs_view<P>& rhs) {
    constexpr dim_t block = P::rhs::block;
    constexpr std::int64_t unit = lhs_magnitude<P> * P::rhs::format::max_magnitude,
                           most = largest_total<typename P::total> / unit;
    const dim_t k = rhs.values.rows(), n = rhs.values.cols(), blocks = (k + block - 1) / block;
    for (dim_t j = 0; j < n; ++j) {
        std::int64_t units = 0;
        for (dim_t p = 0; p < P::rhs::planes; ++p)
            for (dim_t b = 0; b < blocks; ++b)
                units +=
                    rhs.scales[static_cast<std::size_t>((p * n + j) * blocks + b)] * std::min(block, k - b * block);
        require<value_error>(units <= most, "gemm: the scales of column ", j, " of rhs add up to ", units, " over its ",
                             k, " elements; times ", unit, ", the largest product, totals of this policy hold up to ",
                             most,
                             "; use smaller scales (largest_scale of the quantizers), a wider total or split the "
                             "product");
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
