// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two loops over memory behind quantize/dfp.hpp: the largest magnitude, and float to integer. They are plain loops
// that compilers turn into vector code at -O3 (checked with GCC 12 for AVX2 and AVX-512), and equal round_saturated bit
// for bit:
//
// - Where 2^t is no normal float x * 2^t is formed as (x * 2^(t/2)) * 2^(t - t/2): both factors are normal for every t
//   that a float tensor can ask for. Each product is exact, or so small that the result is 0 either way, or infinite
//   and then saturated.
// - Saturation comes before rounding, so the integer part fits the conversion, and adding 1.5 * 2^23 rounds |q| < 2^22
//   to nearest even.
// - The bound is read through a volatile. If a call site makes it a constant, GCC 12 computes what follows from
//   saturated elements in advance, on paths of their own, and a loop with paths stays scalar (AVX2, stochastic: 0.3
//   instead of 4 G elements/s).
// - Formats of more than 23 bits take the scalar text: a float has no more bits to give them.
// - Planar bytes are made from int16 that a piece of the tensor becomes first, in L1.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <type_traits>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/numeric/rounding.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Elements that one worker claims at once: 256 KiB of floats. A multiple of 8, so that chunks start at a block of
/// random bits.
inline constexpr dim_t chunk_elements = dim_t{1} << 16;

/// f(first, count) for consecutive chunks of 0 .. size - 1.
template <class F>
void for_each_chunk(dim_t size, executor_ref exec, const F& f) {
    exec.for_each((size + chunk_elements - 1) / chunk_elements, [&](dim_t chunk, int) {
        const dim_t first = chunk * chunk_elements;
        f(first, std::min(chunk_elements, size - first));
    });
}

/// to = max(to, value).
inline void raise_to(std::atomic<std::uint32_t>& to, std::uint32_t value) noexcept {
    for (std::uint32_t seen = to.load(); seen < value && !to.compare_exchange_weak(seen, value);) {
    }
}

using intaglio::largest_magnitude_bits;
inline std::uint32_t largest_magnitude_bits(std::span<const float> values, executor_ref exec) {
    const auto size = static_cast<dim_t>(values.size());
    if (size <= chunk_elements) return largest_magnitude_bits(values.data(), size);
    std::atomic<std::uint32_t> largest{0};
    for_each_chunk(size, exec, [&](dim_t first, dim_t count) {
        raise_to(largest, largest_magnitude_bits(values.data() + first, count));
    });
    return largest.load();
}

/// x * 2^t in two steps.
inline constexpr int max_scale_exponent = 252; ///< |t|, so that both factors are normal floats
struct scale_steps {
    float first;
    float second;
    explicit scale_steps(int t) noexcept : first(float_power_of_two(t / 2)), second(float_power_of_two(t - t / 2)) {}
};

/// Any rule, any width: the scalar text. `position` is the place of in[0] in its tensor.
template <class T, Rounding Rule>
void convert_scalar(const float* in, T* out, dim_t position, dim_t count, int t, int bits, const Rule& rule) noexcept {
    const double unit = power_of_two(t);
    const std::int64_t limit = (std::int64_t{1} << (bits - 1)) - 1;
    for (dim_t i = 0; i < count; ++i)
        out[i] = static_cast<T>(round_saturated(static_cast<double>(in[i]) * unit, -limit, limit, rule, position + i));
}

/// Rounds, and returns the largest of magnitude_bits in the same pass if it `Measures`. The low bits of q + 1.5 * 2^23
/// are those of the rounded q.
template <bool Measures, bool OneStep, class T>
std::uint32_t convert_nearest(const float* in, T* out, dim_t count, scale_steps scale, float bound) noexcept {
    volatile float opaque = bound; // see above
    const float limit = opaque;
    std::uint32_t largest = 0;
    for (dim_t i = 0; i < count; ++i) {
        const float scaled = in[i] * scale.first, q = clamp_to(OneStep ? scaled : scaled * scale.second, -limit, limit);
        out[i] = static_cast<T>(std::bit_cast<std::int32_t>(q + 0x1.8p23F) - std::bit_cast<std::int32_t>(0x1.8p23F));
        if constexpr (Measures) largest = std::max(largest, magnitude_bits(in[i]));
    }
    return largest;
}
/// The same, in one step where 2^t is a normal float.
template <bool Measures, class T>
std::uint32_t convert_nearest(const float* in, T* out, dim_t count, int t, int bits) noexcept {
    const auto bound = static_cast<float>((std::int32_t{1} << (bits - 1)) - 1);
    scale_steps scale(t);
    if (std::abs(t) > 126) return convert_nearest<Measures, false>(in, out, count, scale, bound);
    scale.first *= scale.second;
    return convert_nearest<Measures, true>(in, out, count, scale, bound);
}

/// Rounds with dither and measures, as convert_nearest does. Sub-steps of 2^-16 fit int32: (2^15 - 1) 2^16 + 2^16 - 1 =
/// 2^31 - 1.
template <bool Measures, class T>
std::uint32_t convert_dithered(const float* __restrict in, T* __restrict out, dim_t position, dim_t count, int t,
                               int bits, std::uint32_t key) noexcept {
    const scale_steps scale(t);
    volatile float opaque = static_cast<float>((std::int32_t{1} << (bits - 1)) - 1); // see above
    const float limit = opaque;
    std::uint32_t largest = 0, w = key + static_cast<std::uint32_t>(position) * weyl_step;
    for (dim_t i = 0; i < count; ++i, w += weyl_step) {
        const float q = clamp_to((in[i] * scale.first) * scale.second, -limit, limit);
        const auto n = static_cast<std::int32_t>(q * 65536.0F);
        out[i] = static_cast<T>((n + static_cast<std::int32_t>(hash_step(w))) >> 16);
        if constexpr (Measures) largest = std::max(largest, magnitude_bits(in[i]));
    }
    return largest;
}

/// count <= 8 * Blocks. Sub-steps of 2^-16 fit int32: (2^15 - 1) 2^16 + 2^16 - 1 = 2^31 - 1.
template <class T>
void convert_stochastic(const float* in, T* out, dim_t count, scale_steps scale, float bound,
                        const std::uint16_t* bits) noexcept {
    volatile float opaque = bound; // see above
    const float limit = opaque;
    for (dim_t i = 0; i < count; ++i) {
        const float q = clamp_to((in[i] * scale.first) * scale.second, -limit, limit);
        const auto n = static_cast<std::int32_t>(round_float(q * 65536.0F));
        out[i] = static_cast<T>((n + static_cast<std::int32_t>(bits[i])) >> 16);
    }
}

/// random_bits16 of elements 8 * block .. 8 * (block + count) - 1.
template <std::size_t Count>
void fill_random_bits16(std::array<std::uint16_t, 8 * Count>& bits, std::uint64_t seed, std::uint64_t stream,
                        std::uint64_t block) noexcept {
    std::array<std::array<std::uint32_t, Count>, 4> words;
    for (std::size_t i = 0; i < Count; ++i) {
        const auto w = random_words(seed, stream, block + i);
        for (std::size_t j = 0; j < 4; ++j) words[j][i] = w[j];
    }
    for (std::size_t i = 0; i < Count; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
            bits[8 * i + 2 * j] = static_cast<std::uint16_t>(words[j][i]);
            bits[8 * i + 2 * j + 1] = static_cast<std::uint16_t>(words[j][i] >> 16);
        }
    }
}

template <class T, Rounding Rule>
void convert(const float* in, T* out, dim_t position, dim_t count, int t, int bits, const Rule& rule) noexcept {
    convert_scalar(in, out, position, count, t, bits, rule);
}

template <class T>
void convert(const float* in, T* out, dim_t position, dim_t count, int t, int bits, const nearest_even& rule) noexcept {
    if (bits > 23) return convert_scalar(in, out, position, count, t, bits, rule);
    convert_nearest<false>(in, out, count, t, bits);
}

template <class T>
void convert(const float* in, T* out, dim_t position, dim_t count, int t, int bits, const stochastic& rule) noexcept {
    if (bits > 16 || position % 8 != 0) return convert_scalar(in, out, position, count, t, bits, rule);
    constexpr dim_t blocks = 64;
    std::array<std::uint16_t, 8 * blocks> random;
    for (dim_t i = 0; i < count; i += 8 * blocks) {
        fill_random_bits16<blocks>(random, rule.seed, rule.stream, static_cast<std::uint64_t>((position + i) / 8));
        convert_stochastic(in + i, out + i, std::min(8 * blocks, count - i), scale_steps(t),
                           static_cast<float>((std::int32_t{1} << (bits - 1)) - 1), random.data());
    }
}

template <class T>
void convert(const float* in, T* out, dim_t position, dim_t count, int t, int bits, const dithered& rule) noexcept {
    if (bits > 16) return convert_scalar(in, out, position, count, t, bits, rule);
    convert_dithered<false>(in, out, position, count, t, bits, rule.key);
}

/// Where planar bytes begin: the high byte of number i goes to high[i], the low one to high[plane_stride + i].
struct byte_pair {
    std::uint8_t* high;
    dim_t plane_stride;
    byte_pair operator+(dim_t i) const noexcept { return {high + i, plane_stride}; }
};

inline void split_bytes(const std::int16_t* __restrict in, std::uint8_t* __restrict high, std::uint8_t* __restrict low,
                        dim_t count) noexcept {
    for (dim_t i = 0; i < count; ++i) {
        high[i] = static_cast<std::uint8_t>(in[i] >> 8);
        low[i] = static_cast<std::uint8_t>(in[i]);
    }
}

/// f(numbers, first, count) makes numbers first .. first + count - 1 of a piece, which are then taken apart. The pieces
/// keep blocks of random bits together.
template <class F>
void convert_in_pieces(byte_pair out, dim_t count, F f) noexcept {
    constexpr dim_t piece = 1024;
    alignas(64) std::int16_t numbers[piece];
    for (dim_t i = 0; i < count; i += piece) {
        const dim_t length = std::min(piece, count - i);
        f(numbers, i, length);
        split_bytes(numbers, out.high + i, out.high + out.plane_stride + i, length);
    }
}

template <Rounding Rule>
void convert(const float* in, byte_pair out, dim_t position, dim_t count, int t, int bits, const Rule& rule) noexcept {
    convert_in_pieces(out, count, [&](std::int16_t* numbers, dim_t i, dim_t length) {
        convert(in + i, numbers, position + i, length, t, bits, rule);
    });
}

/// Converts and returns the largest of magnitude_bits.
template <class T, Rounding Rule>
std::uint32_t convert_measured(const float* in, T* out, dim_t position, dim_t count, int t, int bits,
                               const Rule& rule) noexcept {
    if constexpr (std::is_same_v<Rule, nearest_even>)
        if (bits <= 23) return convert_nearest<true>(in, out, count, t, bits);
    if constexpr (std::is_same_v<Rule, dithered>)
        if (bits <= 16) return convert_dithered<true>(in, out, position, count, t, bits, rule.key);
    convert(in, out, position, count, t, bits, rule);
    return largest_magnitude_bits(in, count);
}

template <Rounding Rule>
std::uint32_t convert_measured(const float* in, byte_pair out, dim_t position, dim_t count, int t, int bits,
                               const Rule& rule) noexcept {
    std::uint32_t largest = 0;
    convert_in_pieces(out, count, [&](std::int16_t* numbers, dim_t i, dim_t length) {
        largest = std::max(largest, convert_measured(in + i, numbers, position + i, length, t, bits, rule));
    });
    return largest;
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
