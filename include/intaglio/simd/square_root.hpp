// SPDX-License-Identifier: Apache-2.0
#pragma once

// Square roots of many floats, each rounded to nearest as everywhere. Compilers leave a loop of std::sqrt scalar, since
// it may have to set errno.

#include <cmath>
#include <type_traits>

#include <xsimd/xsimd.hpp>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// v[i] = sqrt(v[i]).
inline void square_roots(float* v, dim_t count) {
    // 512 bits are no faster where they are divided in halves, and GCC 12 warns of its own header there
    using batch = std::conditional_t<xsimd::avx::supported(), xsimd::batch<float, xsimd::avx>, xsimd::batch<float>>;
    constexpr auto lanes = static_cast<dim_t>(batch::size);
    dim_t i = 0;
    for (; i + lanes <= count; i += lanes) xsimd::sqrt(batch::load_unaligned(v + i)).store_unaligned(v + i);
    for (; i < count; ++i) v[i] = std::sqrt(v[i]);
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
