// SPDX-License-Identifier: Apache-2.0
#pragma once

// The compiler's generic vectors, for passes over memory that one text serves on every instruction set. (Plain loops
// are left scalar by GCC 12 where it unrolls them whole, or where it can't see that memory does not overlap.)

#include <cstring>

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

/// `canonical` (numeric/exponent.hpp) of each float.
template <class Floats>
INTAGLIO_INLINE Floats canonical(Floats v) {
    return v == v ? v : Floats{} + canonical_nan;
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
