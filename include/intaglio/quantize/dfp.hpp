// SPDX-License-Identifier: Apache-2.0
#pragma once

// FP32 to dynamic fixed point and back (Das et al., arXiv 1802.00930). For a tensor x with largest magnitude amax,
// `bits` and `head_room`:
//
//   Emax = floor(log2 amax),   Es = Emax - (bits - 2) + head_room,
//   q_i = saturate(round(x_i * 2^-Es)),   x_i ~ q_i * 2^Es
//
// so 2^(bits-2-head_room) <= max |q| <= 2^(bits-1-head_room). The upper end is reached only where amax rounds up to a
// power of two; without head-room it is one more than the symmetric range -(2^(bits-1) - 1) .. 2^(bits-1) - 1 holds,
// and saturates.
//
//   all zeros         Es = 0, q = 0
//   denormal numbers  as all others; the exponent is that of their leading bit
//   NaN, infinity     value_error, which names the tensor and the first such element; nothing is written
//
// Two passes over memory: one for amax, which finds NaN and infinity on its way, one that converts. An output whose
// maximum an epilogue has already found (gemm/epilogue.hpp) needs the second only. A tensor that is quantized again and
// again, as in training, keeps its exponent for many steps: with the last one as a prediction both passes are one, and
// only where it fails is the tensor converted again. The normative text is round_saturated in numeric/rounding.hpp.
//
//   quantize_dfp     both passes, into a tensor; or the second alone, into mantissas, with a given exponent
//   requantize_dfp   one pass while a predicted exponent holds
//   dequantize_dfp   back
//
// All take (values, shape or mantissas, where it goes, exponent, spec, name, rule, executor), each what it has of
// these.

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/rounding.hpp"
#include "intaglio/quantize/convert.hpp"
#include "intaglio/tensor/dfp_tensor.hpp"
#include "intaglio/tensor/footprint.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct dfp_spec {
    int bits = 16;     ///< of a mantissa, sign included: 2 .. 32
    int head_room = 0; ///< low bits given up so that sums of products have room: 0 .. bits - 2

    /// 2^(bits-1) - 1, where mantissas saturate.
    constexpr std::int64_t max_mantissa() const noexcept { return (std::int64_t{1} << (bits - 1)) - 1; }

    /// Throws value_error unless both are in range and a mantissa fits `storage_bits`.
    void check(int storage_bits = 32) const {
        require<value_error>(bits >= 2 && bits <= storage_bits, "dfp: ", bits,
                             " bits do not fit a signed storage of 2 to ", storage_bits, " bits");
        require<value_error>(head_room >= 0 && head_room <= bits - 2, "dfp: a head-room of ", head_room,
                             " bits leaves nothing of ", bits, " bits");
    }
};

/// What a conversion lost.
struct quantize_counts {
    std::int64_t clipped = 0;         ///< elements whose nearest integer is outside the range
    std::int64_t flushed_to_zero = 0; ///< elements that are not zero and whose mantissa is

    quantize_counts& operator+=(const quantize_counts& other) noexcept {
        clipped += other.clipped;
        flushed_to_zero += other.flushed_to_zero;
        return *this;
    }
    friend bool operator==(const quantize_counts&, const quantize_counts&) = default;
};

/// The shared exponent Es of a tensor whose largest magnitude is `max_magnitude` (finite, >= 0). 0 if that is 0, which
/// its bits tell: under DAZ a denormal number compares equal to 0.
constexpr int dfp_exponent(float max_magnitude, dfp_spec spec = {}) noexcept {
    return magnitude_bits(max_magnitude) == 0 ? 0 : exponent_of(max_magnitude) - (spec.bits - 2) + spec.head_room;
}

namespace detail {
/// The magnitude of these bits, the largest of `values`. Throws value_error if it is NaN or infinite.
inline float finite_magnitude(std::uint32_t largest, std::span<const float> values, std::string_view name) {
    if (largest >= float_infinity_bits) [[unlikely]] {
        const auto first = std::find_if(values.begin(), values.end(), [](float x) { return !is_finite(x); });
        fail<value_error>(name, ": element ", first - values.begin(), " of ", values.size(), " is ",
                          magnitude_bits(*first) > float_infinity_bits ? "NaN" : "infinite",
                          "; only finite values can be quantized");
    }
    return std::bit_cast<float>(largest);
}

/// quantize_dfp without its checks. `Out` is a pointer, or byte_pair.
template <class Out, Rounding Rule>
void convert_chunks(std::span<const float> values, Out out, int exponent, dfp_spec spec, const Rule& rule,
                    executor_ref exec) {
    for_each_chunk(static_cast<dim_t>(values.size()), exec, [&](dim_t first, dim_t count) {
        convert(values.data() + first, out + first, first, count, -exponent, spec.bits, rule);
    });
}

/// requantize_dfp without its checks.
template <class Out, Rounding Rule>
int convert_predicted(std::span<const float> values, Out out, int predicted, dfp_spec spec, std::string_view name,
                      const Rule& rule, executor_ref exec) {
    predicted = std::clamp(predicted, -max_scale_exponent, max_scale_exponent);
    std::atomic<std::uint32_t> largest{0};
    for_each_chunk(static_cast<dim_t>(values.size()), exec, [&](dim_t first, dim_t count) {
        constexpr dim_t piece = 4096; // floats that stay in L1 where the rule takes a second look at them
        std::uint32_t mine = 0;
        for (dim_t i = first; i < first + count; i += piece) {
            const dim_t length = std::min(piece, first + count - i);
            mine = std::max(mine, convert_measured(values.data() + i, out + i, i, length, -predicted, spec.bits, rule));
        }
        raise_to(largest, mine);
    });
    const int exponent = dfp_exponent(finite_magnitude(largest.load(), values, name), spec);
    if (exponent != predicted) convert_chunks(values, out, exponent, spec, rule, exec);
    return exponent;
}
} // namespace detail

/// max |values|, 0 if there are none. Throws value_error if an element is NaN or infinite; the text has `name` and the
/// first one's place.
inline float largest_magnitude(std::span<const float> values, std::string_view name = "tensor",
                               executor_ref exec = {}) {
    return detail::finite_magnitude(detail::largest_magnitude_bits(values, exec), values, name);
}

/// mantissas[i] = saturate(rule(values[i] * 2^-exponent, i)), for a given exponent. Values beyond the range saturate,
/// infinities too. A NaN becomes the least mantissa: this is the inner step, its caller has looked at the maximum.
/// Throws shape_error if the lengths differ, value_error if the spec does not fit T, the exponent is outside -252 ..
/// 252 or both share memory.
template <std::signed_integral T, Rounding Rule = nearest_even>
void quantize_dfp(std::span<const float> values, std::span<T> mantissas, int exponent, dfp_spec spec,
                  const Rule& rule = {}, executor_ref exec = {}) {
    spec.check(std::numeric_limits<T>::digits + 1);
    require<value_error>(exponent >= -detail::max_scale_exponent && exponent <= detail::max_scale_exponent,
                         "dfp: exponent ", exponent, " is outside -", detail::max_scale_exponent, " .. ",
                         detail::max_scale_exponent);
    require(values.size() == mantissas.size(), "dfp: ", values.size(), " values, room for ", mantissas.size(),
            " mantissas");
    detail::require_apart("dfp", "the values", values, mantissas);
    detail::convert_chunks(values, mantissas.data(), exponent, spec, rule, exec);
}

/// Both passes in one, if `predicted` is the exponent: mantissas = those of quantize_dfp with the exponent of the exact
/// maximum, which is returned. Throws as largest_magnitude and quantize_dfp do; mantissas are unspecified then.
template <std::signed_integral T, Rounding Rule = nearest_even>
int requantize_dfp(std::span<const float> values, std::span<T> mantissas, int predicted, dfp_spec spec,
                   std::string_view name = "tensor", const Rule& rule = {}, executor_ref exec = {}) {
    spec.check(std::numeric_limits<T>::digits + 1);
    require(values.size() == mantissas.size(), "dfp: ", values.size(), " values, room for ", mantissas.size(),
            " mantissas");
    detail::require_apart("dfp", "the values", values, mantissas);
    return detail::convert_predicted(values, mantissas.data(), predicted, spec, name, rule, exec);
}

namespace detail {
/// count_losses and dequantize_dfp, where mantissa(i) gives a mantissa.
template <class Mantissa>
quantize_counts count_losses(std::span<const float> values, int exponent, dfp_spec spec, Mantissa mantissa) {
    const float_environment scope;
    const double unit = power_of_two(-exponent);
    const double beyond = static_cast<double>(spec.max_mantissa()) + 0.5; // the tie goes up: max_mantissa is odd
    quantize_counts counts;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double x = static_cast<double>(values[i]) * unit;
        counts.clipped += (x >= beyond || x <= -beyond) ? 1 : 0;
        counts.flushed_to_zero += (values[i] != 0.0F && mantissa(static_cast<dim_t>(i)) == 0) ? 1 : 0;
    }
    return counts;
}
template <class Mantissa>
void dequantize(int exponent, std::span<float> values, executor_ref exec, Mantissa mantissa) {
    const double scale = power_of_two(exponent);
    for_each_chunk(static_cast<dim_t>(values.size()), exec, [&](dim_t first, dim_t count) {
        float* out = values.data() + first;
        for (dim_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<double>(mantissa(first + i)) * scale);
    });
}
} // namespace detail

/// What quantize_dfp lost, from both sides of it. Counts are exact for every rule.
template <std::signed_integral T>
quantize_counts count_losses(std::span<const float> values, std::span<const T> mantissas, int exponent, dfp_spec spec) {
    require(values.size() == mantissas.size(), "dfp: ", values.size(), " values, ", mantissas.size(), " mantissas");
    return detail::count_losses(values, exponent, spec, [m = mantissas.data()](dim_t i) { return m[i]; });
}
template <IntegerFormat Format>
quantize_counts count_losses(std::span<const float> values, const dfp_tensor<Format>& t,
                             dfp_spec spec = {Format::bits}) {
    require(static_cast<dim_t>(values.size()) == t.size(), "dfp: ", values.size(), " values, ", t.size(), " mantissas");
    return detail::count_losses(values, t.exponent, spec, [&](dim_t i) { return t.mantissa(i); });
}

/// values[i] = mantissas[i] * 2^exponent, rounded to float where a mantissa has more than 24 bits.
template <std::signed_integral T>
void dequantize_dfp(std::span<const T> mantissas, int exponent, std::span<float> values, executor_ref exec = {}) {
    require(values.size() == mantissas.size(), "dfp: ", mantissas.size(), " mantissas, room for ", values.size(),
            " values");
    detail::require_apart("dfp", "the mantissas", mantissas, values);
    detail::dequantize(exponent, values, exec, [m = mantissas.data()](dim_t i) { return m[i]; });
}
template <IntegerFormat Format>
void dequantize_dfp(const dfp_tensor<Format>& t, std::span<float> values, executor_ref exec = {}) {
    require(t.size() == static_cast<dim_t>(values.size()), "dfp: ", t.size(), " mantissas, room for ", values.size(),
            " values");
    detail::dequantize(t.exponent, values, exec, [m = t.data(), stride = t.plane_stride()](dim_t i) {
        return detail::number_at<Format>(m + i, stride);
    });
}

namespace detail {
/// Where a conversion writes a tensor's mantissas.
template <IntegerFormat Format>
auto destination(dfp_tensor<Format>& t) {
    if constexpr (planes_of_number<Format> == 2) {
        return byte_pair{t.mantissas.data(), t.plane_stride()};
    } else {
        static_assert(std::is_signed_v<typename Format::storage>,
                      "dfp: mantissas are signed; use fixed<Bits> or planar_bytes");
        return t.mantissas.data();
    }
}

template <IntegerFormat Format>
void check_dfp(std::span<const float> values, const extents& shape, dfp_spec spec, std::string_view name) {
    spec.check(Format::bits);
    require(static_cast<dim_t>(values.size()) == shape.size(), name, ": shape ", shape, " has ", shape.size(),
            " elements, got ", values.size());
}
} // namespace detail

/// Both passes into an existing tensor, whose memory is kept if it has the size. Throws value_error (NaN, infinity, a
/// bad spec) or shape_error before anything is written.
template <IntegerFormat Format, Rounding Rule = nearest_even>
void quantize_dfp(std::span<const float> values, const extents& shape, dfp_tensor<Format>& out,
                  dfp_spec spec = {Format::bits}, std::string_view name = "tensor", const Rule& rule = {},
                  executor_ref exec = {}) {
    detail::check_dfp<Format>(values, shape, spec, name);
    const int exponent = dfp_exponent(largest_magnitude(values, name, exec), spec);
    const extents stored = out.stored_shape(shape);
    if (out.mantissas.size() == stored.size())
        out.mantissas.reshape(stored);
    else
        out.mantissas = tensor<typename Format::storage>(stored, uninitialized);
    out.exponent = exponent;
    detail::convert_chunks(values, detail::destination(out), exponent, spec, rule, exec);
}

/// The same, with the exponent of the tensor's last contents as a prediction: one pass where it still holds. `out` is
/// unspecified after an error.
template <IntegerFormat Format, Rounding Rule = nearest_even>
void requantize_dfp(std::span<const float> values, const extents& shape, dfp_tensor<Format>& out,
                    dfp_spec spec = {Format::bits}, std::string_view name = "tensor", const Rule& rule = {},
                    executor_ref exec = {}) {
    if (out.size() != shape.size() || out.size() == 0) return quantize_dfp(values, shape, out, spec, name, rule, exec);
    detail::check_dfp<Format>(values, shape, spec, name);
    out.mantissas.reshape(out.stored_shape(shape));
    out.exponent = detail::convert_predicted(values, detail::destination(out), out.exponent, spec, name, rule, exec);
}

/// Both passes into a new tensor: `quantize_dfp<fixed<16>>(values, {8, 8}, {.bits = 16}, "conv1.weight")`. planar_bytes
/// are the same numbers, written as planes.
template <IntegerFormat Format, Rounding Rule = nearest_even>
dfp_tensor<Format> quantize_dfp(std::span<const float> values, const extents& shape, dfp_spec spec = {Format::bits},
                                std::string_view name = "tensor", const Rule& rule = {}, executor_ref exec = {}) {
    dfp_tensor<Format> out;
    quantize_dfp(values, shape, out, spec, name, rule, exec);
    return out;
}

} // namespace intaglio::inline INTAGLIO_ABI
