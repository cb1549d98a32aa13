// SPDX-License-Identifier: Apache-2.0
#pragma once

// The compiler's generic vectors, for passes over memory that one text serves on every instruction set. (Plain loops
// are left scalar by GCC 12 where it unrolls them whole, or where it can't see that memory does not overlap.)

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "intaglio/core/config.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// The widest vector that the target's instructions have, in bytes.
inline constexpr int widest_vector = __BIGGEST_ALIGNMENT__ >= 64 ? 64 : __BIGGEST_ALIGNMENT__ >= 32 ? 32 : 16;

template <class T, int Lanes>
struct vector_type {
    typedef T type __attribute__((vector_size(Lanes * sizeof(T))));
};
/// `Lanes` elements of T.
template <class T, int Lanes>
using vector = typename vector_type<T, Lanes>::type;

template <class Vector, class T>
INTAGLIO_INLINE Vector load_vector(const T* p) {
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class Vector, class T>
INTAGLIO_INLINE void store_vector(T* p, Vector v) {
    std::memcpy(p, &v, sizeof v);
}

/// Elements of an integer type as T, a narrower one, which holds them. (GCC 12 takes vectors of less than 64 bytes
/// apart to narrow them from four bytes to one at once.)
template <class T, class Ints>
INTAGLIO_INLINE auto narrow(Ints v) {
    constexpr auto width = sizeof(v[0]);
    constexpr int lanes = sizeof(Ints) / width;
    if constexpr (sizeof(T) == 1 && width == 4 && sizeof(Ints) < 64)
        return __builtin_convertvector(__builtin_convertvector(v, vector<std::int16_t, lanes>), vector<T, lanes>);
    else
        return __builtin_convertvector(v, vector<T, lanes>);
}

/// Calls f(std::integral_constant<int, lanes>, e) for all places e < count of vectors of 4-byte elements, the widest
/// first; what is left over, less than 32 bytes, is taken one by one.
template <int Lanes = widest_vector / 4, class F>
INTAGLIO_INLINE void for_each_vector(dim_t count, const F& f, dim_t e = 0) {
    const dim_t end = e + (count - e) / Lanes * Lanes; // a constant where count is
    for (; e < end; e += Lanes) f(std::integral_constant<int, Lanes>{}, e);
    if constexpr (Lanes > 1)
        if (end < count) for_each_vector<(Lanes > 8 ? 8 : 1)>(count, f, end);
}
/// v[e] = f(v[e], e) for e < count, where f takes and gives vectors of floats that begin with element e.
template <class F>
INTAGLIO_INLINE void transform_floats(float* v, dim_t count, const F& f) {
    for_each_vector(
        count, [&](auto lanes, dim_t e) __attribute__((always_inline)) {
            using floats = vector<float, decltype(lanes)::value>;
            store_vector(v + e, f(load_vector<floats>(v + e), e));
        });
}

/// Copies some tens or hundreds of elements, for which a call of memcpy is long. Returns the end of what was written.
template <int Bytes = widest_vector, class T>
INTAGLIO_INLINE T* copy_short(const T* from, dim_t count, T* to) {
    constexpr int lanes = Bytes / static_cast<int>(sizeof(T));
    for (; count >= lanes; count -= lanes, from += lanes, to += lanes)
        store_vector(to, load_vector<vector<T, lanes>>(from));
    if constexpr (lanes > 1)
        return count > 0 ? copy_short<Bytes / 2>(from, count, to) : to;
    else
        return to;
}

/// `canonical` (numeric/exponent.hpp) of each float.
template <class Floats>
INTAGLIO_INLINE Floats canonical(Floats v) {
    return v == v ? v : Floats{} + canonical_nan;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
