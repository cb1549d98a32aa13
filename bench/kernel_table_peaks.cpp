// SPDX-License-Identifier: Apache-2.0

// The peaks of the atoms that an arch has. Compiled once for each arch (kernel_table.hpp).

#include <cstdint>
#include <type_traits>

#include "kernel_table.hpp"
#include "peak.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

using fp32_product = simd::product<float, float, float>;
using int16_product = simd::product<std::int16_t, std::int16_t, std::int32_t>;
using bytes_product = simd::product<std::uint8_t, std::int8_t, std::int32_t>;
using codes_product = simd::product<std::uint8_t, std::int8_t, std::int16_t>;

/// Exact sums of u8 x s8: bytes are widened to int16 where the arch has no better way.
using exact_bytes_product =
    std::conditional_t<simd::multiplies_bytes(simd::native_arch{}), bytes_product, int16_product>;

/// INT16 takes four products of bytes where it is multiplied as two byte planes.
constexpr bool byte_planes_win = simd::multiplies_byte_planes(simd::native_arch{});
constexpr auto int16_peaks = peaks_of < std::conditional_t<byte_planes_win, bytes_product, int16_product>,
               byte_planes_win ? 4 : 1 > ("int16");

static constexpr std::array shapes{peaks_of<fp32_product>("fp32"), int16_peaks, peaks_of<exact_bytes_product>("u8s8"),
                                   peaks_of<codes_product>("u8trit")};

extern const peak_list peaks;
constinit const peak_list peaks = {shapes[0].data(), shapes.size() * shapes[0].size()};

} // namespace kernel_tables::INTAGLIO_ARCH
