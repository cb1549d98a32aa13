// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transposes matrices of 1-, 2- and 4-byte elements, in blocks of 8 x 8 held in eight registers: three rounds of
// interleaving, by the compiler's generic vectors, so that one text serves every instruction set.

#include <cstring>
#include <type_traits>

#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

namespace detail {

/// out(j, i) = in(i, j) for an 8 x 8 block. Each round interleaves rows r and r + 4 of the round before, as a perfect
/// shuffle does.
template <class T>
INTAGLIO_INLINE void transpose_eight(const T* in, dim_t in_stride, T* out, dim_t out_stride) {
    using vec = vector<std::remove_const_t<T>, 8>;
    vec a[8], b[8];
    for (int r = 0; r < 8; ++r) std::memcpy(&a[r], in + r * in_stride, sizeof(vec));
    const auto round = [](const vec(&from)[8], vec(&to)[8]) __attribute__((always_inline)) {
        for (int r = 0; r < 4; ++r) {
            to[2 * r] = __builtin_shufflevector(from[r], from[r + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            to[2 * r + 1] = __builtin_shufflevector(from[r], from[r + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
    };
    round(a, b);
    round(b, a);
    round(a, b);
    for (int r = 0; r < 8; ++r) std::memcpy(out + r * out_stride, &b[r], sizeof(vec));
}

} // namespace detail

/// out = a[0] b[0] a[1] b[1] ..., `Count` elements of each, a multiple of eight. Written out: GCC 12 puts the plain
/// loop together lane by lane.
template <dim_t Count, class T>
INTAGLIO_INLINE void interleave(const T* a, const T* b, T* out) {
    static_assert(Count % 8 == 0);
    using vec = vector<T, 8>;
    for (dim_t e = 0; e < Count; e += 8) {
        const vec x = load_vector<vec>(a + e), y = load_vector<vec>(b + e);
        store_vector(out + 2 * e, __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11));
        store_vector(out + 2 * e + 8, __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15));
    }
}

/// out = a[0] b[0] c[0] d[0] a[1] ..., `Count` elements of each, a multiple of eight.
template <dim_t Count, class T>
INTAGLIO_INLINE void interleave(const T* a, const T* b, const T* c, const T* d, T* out) {
    static_assert(Count % 8 == 0);
    using vec = vector<T, 8>;
    alignas(vec) T pairs[2][16];
    for (dim_t e = 0; e < Count; e += 8) {
        interleave<8>(a + e, b + e, pairs[0]);
        interleave<8>(c + e, d + e, pairs[1]);
        for (int half = 0; half < 2; ++half) {
            const vec x = load_vector<vec>(pairs[0] + 8 * half), y = load_vector<vec>(pairs[1] + 8 * half);
            store_vector(out + 4 * e + 16 * half, __builtin_shufflevector(x, y, 0, 1, 8, 9, 2, 3, 10, 11));
            store_vector(out + 4 * e + 16 * half + 8, __builtin_shufflevector(x, y, 4, 5, 12, 13, 6, 7, 14, 15));
        }
    }
}

/// out(j, i) = in(i, j), `in` rows x cols with contiguous rows, `out` cols x rows with contiguous rows.
template <class T>
void transpose(const T* in, dim_t in_stride, dim_t rows, dim_t cols, T* out, dim_t out_stride) {
    dim_t i = 0;
    for (; i + 8 <= rows; i += 8) {
        dim_t j = 0;
        for (; j + 8 <= cols; j += 8)
            detail::transpose_eight(in + i * in_stride + j, in_stride, out + j * out_stride + i, out_stride);
        for (; j < cols; ++j)
            for (dim_t r = i; r < i + 8; ++r) out[j * out_stride + r] = in[r * in_stride + j];
    }
    for (; i < rows; ++i)
        for (dim_t j = 0; j < cols; ++j) out[j * out_stride + i] = in[i * in_stride + j];
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
