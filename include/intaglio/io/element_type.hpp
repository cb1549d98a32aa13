// SPDX-License-Identifier: Apache-2.0
#pragma once

// The element types of a safetensors file: their names, their sizes, and which C++ type each one is. Files are
// little-endian, as are all machines this library runs on.

#include <algorithm>
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
    dim_t bits; ///< of one element; several of less than a byte share one
};

/// All types that the format knows, so that the size of a tensor can be checked. A type of a later version of the
/// format is listed like any other and can be read as raw bytes; only its size is taken from the offsets.
inline constexpr std::array<element_type, 22> element_types{
    {{"BOOL", 8},        {"U8", 8},      {"I8", 8},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E5M2FNUZ", 8},
     {"F8_E4M3FNUZ", 8}, {"F8_E8M0", 8}, {"F4", 4},    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"I16", 16},
     {"U16", 16},        {"F16", 16},    {"BF16", 16}, {"I32", 32},    {"U32", 32},    {"F32", 32},
     {"C64", 64},        {"I64", 64},    {"U64", 64},  {"F64", 64}}};

/// The type of that name, or nullptr.
constexpr const element_type* find_element_type(std::string_view name) {
    const auto found = std::find_if(element_types.begin(), element_types.end(),
                                    [&](const element_type& type) { return type.name == name; });
    return found == element_types.end() ? nullptr : &*found;
}

/// The name of T in files.
template <class T>
inline constexpr std::string_view element_name = "";
template <>
inline constexpr std::string_view element_name<float> = "F32";
template <>
inline constexpr std::string_view element_name<double> = "F64";
template <>
inline constexpr std::string_view element_name<std::int8_t> = "I8";
template <>
inline constexpr std::string_view element_name<std::uint8_t> = "U8";
template <>
inline constexpr std::string_view element_name<std::int16_t> = "I16";
template <>
inline constexpr std::string_view element_name<std::uint16_t> = "U16";
template <>
inline constexpr std::string_view element_name<std::int32_t> = "I32";
template <>
inline constexpr std::string_view element_name<std::uint32_t> = "U32";
template <>
inline constexpr std::string_view element_name<std::int64_t> = "I64";
template <>
inline constexpr std::string_view element_name<std::uint64_t> = "U64";

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

/// bfloat16, the upper half of a binary32. Exact.
constexpr float float_from_bfloat(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

} // namespace intaglio::inline INTAGLIO_ABI::io
