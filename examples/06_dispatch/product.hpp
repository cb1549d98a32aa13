// SPDX-License-Identifier: Apache-2.0
#pragma once

// The edge between a program and the units that are compiled once for each instruction set: plain pointers and sizes,
// no exception, no type of the library. Whatever a unit needs of templates stays behind it.

#include <cstddef>
#include <cstdint>

struct product_table {
    /// out(m x n) = lhs(m x k) * rhs(k x n), all dense and row-major, exact. False if the sizes can't be multiplied.
    bool (*multiply)(const std::uint8_t* lhs, const std::int8_t* rhs, std::int32_t* out, std::ptrdiff_t m,
                     std::ptrdiff_t n, std::ptrdiff_t k) noexcept;
};
