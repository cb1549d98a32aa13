// SPDX-License-Identifier: Apache-2.0

// The passes over memory that quantization is made of, and two that do nothing but move the same bytes, to be measured
// against. Compiled once for each arch (kernel_table.hpp).

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>

#include "intaglio/quantize/dfp.hpp"
#include "kernel_operations.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

static std::span<const float> floats_of(const float* values, std::ptrdiff_t count) {
    return {values, static_cast<std::size_t>(count)};
}

/// What a pass found, kept alive so that the compiler can't leave the pass out.
static volatile float found;

static void read_only(const float* values, std::ptrdiff_t count, void*, int threads, outcome& result) noexcept {
    guarded(result, [&] {
        constexpr std::ptrdiff_t piece = 1 << 14;
        pool_of(threads).for_each((count + piece - 1) / piece, [&](std::ptrdiff_t p, int) {
            std::uint32_t all[64] = {}; // as many sums as hide the latency
            const float* v = values + p * piece;
            const std::ptrdiff_t end = std::min(piece, count - p * piece) / 64 * 64;
            for (std::ptrdiff_t i = 0; i < end; i += 64)
                for (std::ptrdiff_t j = 0; j < 64; ++j) all[j] |= std::bit_cast<std::uint32_t>(v[i + j]);
            std::uint32_t any = 0;
            for (const std::uint32_t a : all) any |= a;
            found = static_cast<float>(any);
        });
    });
}

/// Reads and writes as many bytes as converting to int16 does: 6 an element, half of them each way.
static void copy_only(const float* values, std::ptrdiff_t count, void* out, int threads, outcome& result) noexcept {
    guarded(result, [&] {
        constexpr std::ptrdiff_t piece = 1 << 15;
        const std::ptrdiff_t bytes = 3 * count;
        pool_of(threads).for_each((bytes + piece - 1) / piece, [&](std::ptrdiff_t p, int) {
            std::memcpy(static_cast<char*>(out) + p * piece, reinterpret_cast<const char*>(values) + p * piece,
                        static_cast<std::size_t>(std::min(piece, bytes - p * piece)));
        });
    });
}

static void find_largest(const float* values, std::ptrdiff_t count, void*, int threads, outcome& result) noexcept {
    guarded(result, [&] { found = largest_magnitude(floats_of(values, count), "bench", pool_of(threads)); });
}

static void convert_int16(const float* values, std::ptrdiff_t count, void* out, int threads, outcome& result) noexcept {
    guarded(result, [&] {
        const std::span<std::int16_t> mantissas(static_cast<std::int16_t*>(out), static_cast<std::size_t>(count));
        quantize_dfp(floats_of(values, count), mantissas, -14, {}, nearest_even{}, pool_of(threads));
    });
}

static void quantize_int16(const float* values, std::ptrdiff_t count, void* out, int threads,
                           outcome& result) noexcept {
    guarded(result, [&] {
        const executor_ref pool = pool_of(threads);
        const std::span<std::int16_t> mantissas(static_cast<std::int16_t*>(out), static_cast<std::size_t>(count));
        const int exponent = dfp_exponent(largest_magnitude(floats_of(values, count), "bench", pool));
        quantize_dfp(floats_of(values, count), mantissas, exponent, {}, nearest_even{}, pool);
    });
}

/// Both passes in one: the exponent is the same as that of the tensor's last contents.
static void requantize_int16(const float* values, std::ptrdiff_t count, void* out, int threads,
                             outcome& result) noexcept {
    static thread_local int exponent = 0; // of the same values, found by the first run
    guarded(result, [&] {
        const std::span<std::int16_t> mantissas(static_cast<std::int16_t*>(out), static_cast<std::size_t>(count));
        exponent = requantize_dfp(floats_of(values, count), mantissas, exponent, {}, "bench", nearest_even{},
                                  pool_of(threads));
    });
}

static constexpr conversion conversion_entries[] = {
    {"read", 4, read_only},
    {"copy", 6, copy_only},
    {"largest_magnitude", 4, find_largest},
    {"dfp16_convert", 6, convert_int16},
    {"dfp16", 10, quantize_int16},
    {"dfp16 predicted", 6, requantize_int16},
};

extern const conversion_list conversions;
constinit const conversion_list conversions = {conversion_entries, std::size(conversion_entries)};

} // namespace kernel_tables::INTAGLIO_ARCH
