// SPDX-License-Identifier: Apache-2.0
#pragma once

// What waits in memory between two operations of a training step: numbers of one storage type that share an exponent,
//
//   value = element * 2^exponent        float: exponent 0, the elements are the values.   int16: dynamic fixed point.
//
// Every pass over memory is one text with the storage as its argument: it loads elements, computes in float, and stores
// elements again. A pass that stores int16 needs the exponent before it knows the largest magnitude; it takes that of
// the step before as a guess, measures, and runs again where the guess was not the exponent of the exact maximum
// (quantize/dfp.hpp). So what is stored is a function of the values alone: it depends neither on the guess nor on
// threads.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/rounding.hpp"
#include "intaglio/quantize/convert.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/train/report.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// The least exponent that is stored: its unit is a normal float. Smaller magnitudes keep fewer bits.
inline constexpr int least_exponent = -126;

/// A tensor in memory of its own or of a plan.
template <class T>
struct stored {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, std::int16_t>,
                  "train: storage is float or std::int16_t; add its loads and stores to storage.hpp");
    T* data = nullptr;
    dim_t size = 0;
    int exponent = 0;
    tensor_report* report = nullptr; ///< of whoever watches

    std::span<const T> elements() const { return {data, static_cast<std::size_t>(size)}; }
    float unit() const {
        if constexpr (std::is_same_v<T, float>) return 1.0F;
        return float_power_of_two(exponent);
    }
};

/// What stored mantissas keep to in magnitude: 2^(bits - 1 - head_room) - 1.
constexpr std::int32_t largest_mantissa(dfp_spec spec) noexcept {
    return static_cast<std::int32_t>((std::int64_t{1} << (spec.bits - 1 - spec.head_room)) - 1);
}

/// The exponent with which magnitudes up to `largest` (finite) are stored.
inline int stored_exponent(float largest, dfp_spec spec) noexcept {
    if (magnitude_bits(largest) == 0) return 0;
    const int exponent = std::max(least_exponent, dfp_exponent(largest, spec));
    const bool rounds_up = std::ldexp(static_cast<double>(largest), -exponent) > largest_mantissa(spec);
    return exponent + (spec.head_room > 0 && rounds_up ? 1 : 0);
}

/// Tells whoever watches `t` that it was written.
template <class T>
void report_stored(const stored<T>& t, const quantize_counts& losses = {}) {
    if (!t.report) return;
    t.report->exponent = t.exponent;
    t.report->elements = t.size;
    t.report->losses = losses;
}

/// Elements that are computed at a time: they stay in L1 on their way to memory.
inline constexpr dim_t longest_piece = 2048;

/// How a channels-last map is walked: pieces that never cross a period, which is a whole number of pixels and at least
/// 512 elements. Parameters of channels are laid out for a period, so that few channels are a long loop, too.
struct channel_walk {
    dim_t channels;
    dim_t pixels; ///< of a period

    explicit channel_walk(dim_t channels_) : channels(channels_), pixels((511 + wide()) / wide()) {}
    dim_t period() const { return wide() * pixels; }
    /// Pixels of a tensor of `size` elements; 0 where it has no channels.
    dim_t pixels_of(dim_t size) const { return size / wide(); }
    /// Elements that a thread takes at once, a multiple of the period: about 64 Ki.
    dim_t chunk() const { return std::max<dim_t>(1, (dim_t{1} << 16) / period()) * period(); }

    /// f(first, count, place): elements first .. first + count - 1 have place `place` in a period. `begin` is the start
    /// of a period.
    template <class F>
    void for_each_piece(dim_t begin, dim_t end, const F& f) const {
        for (dim_t first = begin, place = 0; first < end;) {
            const dim_t count = std::min({period() - place, longest_piece, end - first});
            f(first, count, place);
            first += count;
            place = place + count == period() ? 0 : place + count;
        }
    }

private:
    dim_t wide() const { return std::max<dim_t>(1, channels); } ///< without channels there is nothing to walk over
};

/// Fills `to` by fill(first, count, place, float* v), which computes the values of a piece (channel_walk); sets
/// to.exponent, of which the present value is the guess. int16: value_error, which names the tensor, where a value is
/// NaN or infinite. int16 are rounded to nearest, or with `dither`.
template <class T, class Fill>
void store_pass(stored<T>& to, const channel_walk& walk, dfp_spec spec, std::string_view name, executor_ref exec,
                const Fill& fill, std::optional<dithered> dither = {}) {
    const dim_t chunk = walk.chunk(), chunks = (to.size + chunk - 1) / chunk;
    if constexpr (std::is_same_v<T, float>) {
        exec.for_each(chunks, [&](dim_t i, int) {
            walk.for_each_piece(
                i * chunk, std::min(to.size, (i + 1) * chunk),
                [&](dim_t first, dim_t count, dim_t place) { fill(first, count, place, to.data + first); });
        });
        report_stored(to);
    } else {
        std::atomic<std::uint32_t> largest{0};
        const auto run = [&](int exponent, loss_counter* losses) { // stores, or only counts
            exec.for_each(chunks, [&](dim_t i, int) {
                alignas(64) float v[longest_piece];
                std::uint32_t mine = 0;
                walk.for_each_piece(i * chunk, std::min(to.size, (i + 1) * chunk),
                                    [&](dim_t first, dim_t count, dim_t place) {
                                        fill(first, count, place, v);
                                        if (losses) return losses->count(v, count);
                                        const auto store = [&](const auto& rule) {
                                            return intaglio::detail::convert_measured(v, to.data + first, first, count,
                                                                                      -exponent, spec.bits, rule);
                                        };
                                        mine = std::max(mine, dither ? store(*dither) : store(nearest_even{}));
                                    });
                intaglio::detail::raise_to(largest, mine);
            });
        };
        run(to.exponent, nullptr);
        require<value_error>(largest.load() < float_infinity_bits, name, " has a value that is ",
                             largest.load() > float_infinity_bits ? "NaN" : "infinite",
                             "; only finite values can be stored as integers: lower the learning rate");
        const int exponent = stored_exponent(std::bit_cast<float>(largest.load()), spec);
        if (exponent != to.exponent) run(exponent, nullptr);
        to.exponent = exponent;
        if (to.report) { // computed again, to be counted
            loss_counter losses(exponent, spec.bits, dither ? 0x1p-16 : 0.5);
            run(exponent, &losses);
            report_stored(to, losses.counts());
        }
    }
}

/// sums[s * channels + c] = sum over pixels of term s of channel c, for s < Sums. terms(first, count, place, sums) adds
/// the terms of a piece to sums[s * period + place + i]. Integer terms are exact, so their sums don't depend on the
/// order; those of floats are doubles, added in an order that depends on the size alone.
template <int Sums, class Sum, class Terms>
void sum_pass(dim_t size, const channel_walk& walk, executor_ref exec, double* sums, buffer<Sum>& partial,
              const Terms& terms) {
    const dim_t chunk = walk.chunk(), chunks = (size + chunk - 1) / chunk, period = walk.period();
    const dim_t width = Sums * period;
    if (partial.size() < chunks * width) partial = buffer<Sum>(chunks * width, uninitialized);
    exec.for_each(chunks, [&](dim_t i, int) {
        Sum* const mine = partial.data() + i * width;
        std::fill_n(mine, width, Sum{0});
        walk.for_each_piece(i * chunk, std::min(size, (i + 1) * chunk),
                            [&](dim_t first, dim_t count, dim_t place) { terms(first, count, mine + place); });
    });
    for (int s = 0; s < Sums; ++s)
        for (dim_t c = 0; c < walk.channels; ++c) {
            Sum sum{0};
            for (dim_t i = 0; i < chunks; ++i)
                for (dim_t p = 0; p < walk.pixels; ++p) sum += partial[i * width + s * period + p * walk.channels + c];
            sums[s * walk.channels + c] = static_cast<double>(sum);
        }
}

/// What sums of elements, and of products of two, are kept in.
template <class T>
using sum_of = std::conditional_t<std::is_same_v<T, float>, double, std::int64_t>;

} // namespace intaglio::inline INTAGLIO_ABI::train
