// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a block of lhs gets to the kernel. Rows that lie evenly spaced in memory are read where they are. Others are
// copied, converted to the kernel's digits, into a block that stays in L2, in one of two layouts that the kernel reads
// with the same two strides:
//
//   by rows      each row contiguous (sources whose runs follow rows):
//                row i, element k  at  i * row_stride + k
//   interleaved  the atom's K elements of one row, then those of the next (sources whose runs follow columns):
//                row i, element k  at  (k / K) * K * rows + i * K + k % K
//
// The copy is a few per cent of the products that use it, since a row of lhs serves all columns of rhs; in exchange the
// kernel sees neither taps nor padding.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "intaglio/gemm/blocking.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/gemm/source.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// A row length, in digits, for the layout by rows: whole cache lines, an odd number of them so that the rows of a tile
/// spread over the sets of L1.
template <class Digit>
constexpr dim_t padded_row(dim_t length) {
    constexpr dim_t line = 64 / static_cast<dim_t>(sizeof(Digit));
    return (ceil_div(length, line) | 1) * line;
}

/// From an element of the source to its plane `plane`: none where it is taken apart, since it holds all of them.
template <class Traits, class Source>
dim_t plane_offset(const Source& source, int plane) {
    return plane % planes_of_number<typename Traits::policy::lhs::format> * source.plane_stride();
}

/// Copies row i, elements [k0, k1), of the source to `out` (one plane after the other, `plane_stride` apart), followed
/// by zeros up to the next step of the atom.
template <class Traits, class Source>
void pack_row(const Source& source, dim_t i, dim_t k0, dim_t k1, typename Traits::lhs_digit* out, dim_t plane_stride) {
    using digit = typename Traits::lhs_digit;
    using element = typename Source::element;
    dim_t at = 0;
    source.for_each_run(i, k0, k1, [&](const element* p, dim_t length, dim_t step) {
        for (int plane = 0; plane < Traits::lhs_planes; ++plane) {
            digit* __restrict to = out + plane * plane_stride + at;
            const element* from = p ? p + plane_offset<Traits>(source, plane) : nullptr;
            if (from == nullptr)
                std::fill_n(to, length, digit{0});
            else if (step == 1)
                for (dim_t e = 0; e < length; ++e) to[e] = digit_of<digit, Traits::lhs_planes>(from[e], plane);
            else
                for (dim_t e = 0; e < length; ++e) to[e] = digit_of<digit, Traits::lhs_planes>(from[e * step], plane);
        }
        at += length;
    });
    for (int plane = 0; plane < Traits::lhs_planes; ++plane)
        std::fill(out + plane * plane_stride + at, out + plane * plane_stride + round_up(at, Traits::k), digit{0});
}

/// Columns of a source lie evenly spaced for the most part, and copying one asks for another some KiB further on: the
/// hardware's own prefetch stops where a pixel's channels end.
template <class T>
class column_prefetch {
public:
    template <class Source>
    column_prefetch(const Source& source, dim_t i0, dim_t i1, dim_t k0, dim_t k1) {
        const T* first[2] = {};
        for (dim_t c = 0; c < std::min<dim_t>(2, k1 - k0); ++c)
            source.for_each_column_run(k0 + c, i0, std::min(i0 + 1, i1),
                                       [&](const T* p, dim_t, dim_t) { first[c] = p; });
        const dim_t bytes = static_cast<dim_t>(sizeof(T)) * (i1 - i0);
        if (first[0] && first[1])
            distance_ = (first[1] - first[0]) * static_cast<dim_t>(sizeof(T)) * (8192 / bytes + 1);
    }
    INTAGLIO_INLINE void operator()(const T* p, dim_t length) const {
        const auto from = reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(distance_);
        for (dim_t e = 0; e < length * static_cast<dim_t>(sizeof(T)); e += 64)
            __builtin_prefetch(reinterpret_cast<const void*>(from + static_cast<std::uintptr_t>(e)));
    }

private:
    dim_t distance_ = 0; ///< in bytes
};

/// Copies rows [i0, i1), elements [k0, k1), interleaved; `rows` >= i1 - i0 is the padded number of rows, the ones
/// beyond i1 are zeros.
template <class Traits, class Source>
void pack_interleaved(const Source& source, dim_t i0, dim_t i1, dim_t k0, dim_t k1, typename Traits::lhs_digit* out,
                      dim_t rows, dim_t plane_stride) {
    using digit = typename Traits::lhs_digit;
    using element = typename Source::element;
    constexpr dim_t k = Traits::k;
    struct run {
        const element* p;
        dim_t length, step;
    };
    const bool ragged = rows > i1 - i0;
    const column_prefetch<element> prefetch(source, i0, i1, k0, k1);
    std::vector<run> pending;
    for (dim_t s = k0; s < k1; s += k, out += k * rows) {
        if (ragged || s + k > k1)
            for (int plane = 0; plane < Traits::lhs_planes; ++plane)
                std::fill_n(out + plane * plane_stride, k * rows, digit{0});
        // int16 pairs: two columns at a time, so that the copy vectorises
        if constexpr (k == 2 && Traits::lhs_planes == 1) {
            if (s + 2 <= k1) {
                pending.clear();
                source.for_each_column_run(s, i0, i1, [&](const element* p, dim_t length, dim_t step) {
                    pending.push_back({p, length, step});
                });
                std::size_t r = 0;
                dim_t at = 0;
                source.for_each_column_run(s + 1, i0, i1, [&](const element* q, dim_t length, dim_t step) {
                    const element* p = pending[r++].p;
                    digit* __restrict to = out + 2 * at;
                    if (p && q && step == 1) {
                        prefetch(p, length);
                        prefetch(q, length);
                        for (dim_t e = 0; e < length; ++e) {
                            to[2 * e] = static_cast<digit>(p[e]);
                            to[2 * e + 1] = static_cast<digit>(q[e]);
                        }
                    } else {
                        for (dim_t e = 0; e < length; ++e) {
                            to[2 * e] = p ? static_cast<digit>(p[e * step]) : digit{0};
                            to[2 * e + 1] = q ? static_cast<digit>(q[e * step]) : digit{0};
                        }
                    }
                    at += length;
                });
                continue;
            }
        }
        for (dim_t q = 0; q < std::min<dim_t>(k, k1 - s); ++q) {
            dim_t at = 0;
            source.for_each_column_run(s + q, i0, i1, [&](const element* p, dim_t length, dim_t step) {
                for (int plane = 0; plane < Traits::lhs_planes; ++plane) {
                    digit* to = out + plane * plane_stride + at * k + q;
                    const element* from = p ? p + plane_offset<Traits>(source, plane) : nullptr;
                    if (from && step == 1 && (plane == 0 || from != p)) prefetch(from, length);
                    for (dim_t e = 0; e < length; ++e)
                        to[e * k] = from ? digit_of<digit, Traits::lhs_planes>(from[e * step], plane) : digit{0};
                }
                at += length;
            });
        }
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
