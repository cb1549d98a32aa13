// SPDX-License-Identifier: Apache-2.0
#pragma once

// The element types of a safetensors file: their names, their sizes, and which C++ type each one is. Files are
// little-endian, as are all machines this library runs on.

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

static_assert(std::endian::native == std::endian::little,
              "io: tensors are stored little-endian; a big-endian machine would have to swap bytes");

struct element_type {
    std::string_view name;
    dim_t bytes; ///< of one element
};

/// All types that the format knows. Those without a C++ type here can be listed and skipped, not read.
inline constexpr std::array<element_type, 14> element_types{{{"F32", 4},
                                                             {"F16", 2},
                                                             {"I8", 1},
                                                             {"U8", 1},
                                                             {"I16", 2},
                                                             {"I32", 4},
                                                             {"BF16", 2},
                                                             {"F64", 8},
                                                             {"I64", 8},
                                                             {"U16", 2},
                                                             {"U32", 4},
                                                             {"U64", 8},
                                                             {"BOOL", 1},
                                                             {"F8_E4M3", 1}}};

/// The name of T in files.
template <class T>
inline constexpr std::string_view element_name = "";
template <>
inline constexpr std::string_view element_name<float> = "F32";
template <>
inline constexpr std::string_view element_name<std::int8_t> = "I8";
template <>
inline constexpr std::string_view element_name<std::uint8_t> = "U8";
template <>
inline constexpr std::string_view element_name<std::int16_t> = "I16";
template <>
inline constexpr std::string_view element_name<std::int32_t> = "I32";

template <class T>
concept StoredElement = !element_name<T>.empty();

/// IEEE binary16 to binary32. Exact, denormal numbers, infinities and NaN included.
constexpr float float_from_half(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
    const std::uint32_t exponent = (half >> 10) & 31u, fraction = half & 1023u;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) {
        const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

} // namespace intaglio::inline INTAGLIO_ABI::io
