// SPDX-License-Identifier: Apache-2.0
#pragma once

// One row of the table of policies (policy_table.py): products at the magnitudes and lengths that come closest to
// overflow, in every layout that a kernel tells apart, each compared bit for bit with the scalar text.

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>

#include "gemm/exactness.hpp"
#include "intaglio/gemm/gemm.hpp"

#ifndef TABLE_ARCH
#define TABLE_ARCH native_arch
#endif

namespace policy_table {

using namespace exactness;

/// Block scales as 8-bit integers: all 255, or so small that codes fold into bytes.
enum class scale_sizes { largest, small };

struct product_case {
    dim_t m, n, k;
    magnitudes lhs, rhs;
    scale_sizes scales;
    bool lhs_transposed, rhs_transposed;
    rhs_storage storage;
};

template <GemmPolicy P>
void check_product(const product_case& c) {
    using out_type = std::conditional_t<std::is_integral_v<typename P::total>, typename P::total, float>;
    using arch = simd::TABLE_ARCH;
    constexpr bool integer_scales = P::rhs::block > 0 && std::is_integral_v<typename P::total>;
    dim_t k = c.k;
    if constexpr (integer_scales)
        k = std::min(k, detail::longest_reduction<P>() / (c.scales == scale_sizes::largest ? 255 : 9));
    else
        k = std::min(k, detail::longest_reduction<P>());
    INFO(c.m << " x " << c.k << " x " << c.n << " of which k = " << k << ", " << name_of(c.lhs) << " x "
             << name_of(c.rhs) << (c.scales == scale_sizes::largest ? ", largest" : ", small") << " scales, "
             << (c.lhs_transposed ? "columns" : "rows") << " x " << (c.rhs_transposed ? "columns" : "rows"));
    source random(static_cast<std::uint64_t>(c.m * 7919 + c.k));
    auto a = draw_operand<typename P::lhs, scale_type<typename P::lhs, typename P::total>>(
        random, k, c.m, false, c.lhs_transposed, c.m > 1 ? 3 : 0, c.lhs);
    auto b = draw_operand<typename P::rhs, scale_type<typename P::rhs, typename P::total>>(
        random, k, c.n, true, c.rhs_transposed, c.n > 1 ? 1 : 0, c.rhs);
    if constexpr (integer_scales)
        for (std::size_t s = 0; s < b.scales.size(); ++s)
            b.scales[s] = static_cast<std::uint8_t>(c.scales == scale_sizes::largest ? 255 : 1 + s % 9);
    const auto lhs = view_of<lhs_view<P>>(a.data);
    const auto rhs = view_of<rhs_view<P>>(b.data);
    drawn_output<out_type> out(c.m, c.n), expected(c.m, c.n);
    reference_gemm<P>(lhs, rhs, expected.view);
    gemm<P, arch>(lhs, pack_rhs<P, arch>(rhs, c.storage), out.view);
    INFO(out.difference(expected));
    CHECK(out.same_bits(expected));
}

/// Largest magnitudes of one sign, of the other one and in turn, over reductions of a step, of blocks and one more, of
/// many chains, and as long as the total allows.
template <GemmPolicy P>
void check_row() {
    static_assert(check_policy<P>::value);
    using enum magnitudes;
    for (const scale_sizes scales : {scale_sizes::largest, scale_sizes::small}) {
        for (const auto& [lhs, rhs] : {std::pair{all_largest, all_largest},
                                       {all_largest, alternating},
                                       {alternating, alternating},
                                       {full_range, full_range},
                                       {full_range, sparse}}) {
            for (const dim_t k : {1, 6, 63, 130, 700})
                check_product<P>({5, 3, k, lhs, rhs, scales, k % 2 == 0, k % 3 == 0, rhs_storage::fast});
            for (const dim_t k : {9'001, 14'290, 70'000})
                check_product<P>({1, 2, k, lhs, rhs, scales, false, true, rhs_storage::fast});
        }
        check_product<P>({31, 70, 200, full_range, full_range, scales, false, true, rhs_storage::fast});
        check_product<P>({31, 70, 201, full_range, all_largest, scales, true, false, rhs_storage::fast});
        for (const rhs_storage storage : {rhs_storage::small, rhs_storage::smallest}) {
            check_product<P>({2, 40, 192, all_largest, full_range, scales, false, true, storage});
            check_product<P>({9, 5, 133, full_range, all_largest, scales, false, false, storage});
        }
    }
}

} // namespace policy_table
