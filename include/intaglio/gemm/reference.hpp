// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a product is: the normative scalar text. Every kernel, on every instruction set and for every thread count,
// gives the numbers of this file bit for bit; the tests compare with ==. It is written to be read, not to be quick.
//
//   total(i, j) = sum over k, p of lhs(i, k) * rhs_p(k, j) * (scale of lhs's block) * (scale of rhs's block in plane p)
//   value(i, j) = total(i, j) * lhs.scale * rhs.scale * (scale of lhs's row i) * (scale of rhs's column j)
//
// - Integral total: block scales are integers, the sum is exact, and so the order, the chains and the digits don't
//   matter.
// - Float total of integers: exact inside a chain; the chains are added in a fixed order, each by one fused
//   multiply-add.
// - Float operands: one fused multiply-add for each product, k ascending, whatever the numbers: 0 times an infinity or
//   a NaN is NaN.
// - The value is formed in double and rounded to float once. A float total of -0 counts as 0, and every NaN becomes
//   canonical_nan (numeric/exponent.hpp), so that these have the same bits everywhere too.

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/gemm/policy.hpp"

#include <cmath>
#include <cstdint>
#include <type_traits>
#include "intaglio/numeric/rescale.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {
template <class Operand>
constexpr bool scales_by_row = Operand::sharing::by_row&& Operand::block == 0;

/// The product of two integers, or what is left of it where a policy leaves out products of their byte planes.
template <class P>
constexpr std::int64_t reference_product(std::int64_t a, std::int64_t b) {
    if (plane_products<P> == 4) return a * b;
    const std::int64_t planes_a[] = {a - (a & 255), a & 255}, planes_b[] = {b - (b & 255), b & 255};
    std::int64_t product = 0;
    for (int p = 0; p < 2; ++p)
        for (int q = 0; q < 2; ++q)
            if (computes_planes<P>(p, q)) product += planes_a[p] * planes_b[q];
    return product;
}

/// Where the scale of a block lies: [plane][row][block], dense. 0 for operands without blocks, whose scales nobody asks
/// for.
template <class Operand>
constexpr dim_t block_scale_at(dim_t plane, dim_t row, dim_t rows, dim_t block, dim_t k) {
    constexpr dim_t length = Operand::block;
    if constexpr (length == 0)
        return 0;
    else
        return (plane * rows + row) * ((k + length - 1) / length) + block;
}
} // namespace detail

/// One total. `lhs(k)` and `rhs(p, k)` give the integers (or floats), `lhs_scale(b)` and `rhs_scale(p, b)` the scales
/// of block b, which are asked for only where the policy has blocks. The reduction is 0 .. k - 1.
template <GemmPolicy P, class Lhs, class LhsScale, class Rhs, class RhsScale>
typename P::total reference_total(dim_t k, const Lhs& lhs, const LhsScale& lhs_scale, const Rhs& rhs,
                                  const RhsScale& rhs_scale) {
    using total = typename P::total;
    constexpr int planes = P::rhs::planes;
    static_assert(check_policy<P>::value);

    if constexpr (std::is_same_v<typename P::accumulator, float>) { // float operands
        float t = 0;
        for (dim_t kk = 0; kk < k; ++kk) t = std::fma(lhs(kk), rhs(0, kk), t);
        return t;
    } else if constexpr (std::is_integral_v<total>) { // exact
        std::int64_t t = 0;
        for (int p = 0; p < planes; ++p) {
            for (dim_t kk = 0; kk < k; ++kk) {
                std::int64_t product = detail::reference_product<P>(lhs(kk), rhs(p, kk));
                if constexpr (P::rhs::block > 0) product *= std::int64_t{rhs_scale(p, kk / P::rhs::block)};
                t += product;
            }
        }
        return static_cast<total>(t);
        // integers inside a chain, floats across chains: blocks ascending, in a block planes ascending, in a plane
        // chains ascending
    } else {
        static_assert(detail::chain_traits<typename P::chain>::fixed);
        constexpr dim_t chain = detail::chain_traits<typename P::chain>::length;
        const dim_t block = scale_block<P> > 0 ? scale_block<P> : (k > 0 ? k : 1);
        float t = 0;
        for (dim_t b = 0; b * block < k; ++b) {
            const dim_t end = (b + 1) * block < k ? (b + 1) * block : k;
            for (int p = 0; p < planes; ++p) {
                float weight = 1;
                if constexpr (P::lhs::block > 0) weight = lhs_scale(b);
                if constexpr (P::rhs::block > 0) weight *= rhs_scale(p, b);
                for (dim_t start = b * block; start < end; start += chain) {
                    std::int64_t sum = 0;
                    for (dim_t kk = start; kk < end && kk < start + chain; ++kk)
                        sum += std::int64_t{lhs(kk)} * std::int64_t{rhs(p, kk)};
                    t = std::fma(static_cast<float>(sum), weight, t);
                }
            }
        }
        return t;
    }
}

/// The value of a total: double products in this order, their product rounded (output_factor), one rounding to float at
/// the end. Scales that the sharing rules don't have are 1. What belongs to rhs comes first, so that packing can
/// multiply it once for all.
template <class Total>
float reference_value(Total t, double lhs_scale, double rhs_scale, float lhs_row_scale = 1, float rhs_row_scale = 1) {
    const double column = lhs_scale * (rhs_scale * static_cast<double>(rhs_row_scale));
    return output_value(t, output_factor<Total>(column * static_cast<double>(lhs_row_scale)));
}

/// out(m, n) = lhs(m, k) * rhs(k, n): the totals where `Out` is the policy's integral total, otherwise the values (Out
/// = float). Throws as gemm does where the sizes don't fit.
template <GemmPolicy P, class Out>
void reference_gemm(const lhs_view<P>& lhs, const rhs_view<P>& rhs, matrix_view<Out> out) {
    const float_environment scope;
    static_assert(std::is_same_v<Out, float> || std::is_same_v<Out, typename P::total>,
                  "reference_gemm: an output is float or the policy's total");
    const dim_t m = lhs.values.rows(), k = lhs.values.cols(), n = rhs.values.cols();
    detail::check_operand("lhs", lhs, m, k);
    detail::check_operand("rhs", rhs, n, rhs.values.rows());
    require<shape_error>(rhs.values.rows() == k, "gemm: lhs is ", m, " x ", k, " but rhs is ", rhs.values.rows(), " x ",
                         n);
    require<shape_error>(out.rows() == m && out.cols() == n, "gemm: the product is ", m, " x ", n, " but out is ",
                         out.rows(), " x ", out.cols());

    const auto* const lhs_scales = lhs.scales.data();
    const auto* const rhs_scales = rhs.scales.data();
    for (dim_t i = 0; i < m; ++i) {
        for (dim_t j = 0; j < n; ++j) {
            const auto total = reference_total<P>(
                k,
                [&](dim_t kk) {
                    return detail::number_at<typename P::lhs::format>(&lhs.values(i, kk), lhs.plane_stride);
                },
                [&](dim_t b) { return lhs_scales[detail::block_scale_at<typename P::lhs>(0, i, m, b, k)]; },
                [&](int p, dim_t kk) {
                    return detail::number_at<typename P::rhs::format>(&rhs.values(kk, j) + p * rhs.plane_stride,
                                                                      rhs.plane_stride);
                },
                [&](int p, dim_t b) { return rhs_scales[detail::block_scale_at<typename P::rhs>(p, j, n, b, k)]; });
            if constexpr (std::is_same_v<Out, float>) {
                float row = 1, column = 1;
                if constexpr (detail::scales_by_row<typename P::lhs>) row = lhs_scales[i];
                if constexpr (detail::scales_by_row<typename P::rhs>) column = rhs_scales[j];
                out(i, j) = reference_value(total, lhs.scale, rhs.scale, row, column);
            } else {
                out(i, j) = total;
            }
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI
