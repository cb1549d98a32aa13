// SPDX-License-Identifier: Apache-2.0
#pragma once

// What happens to a total on its way to memory. A total t of row i and column j first becomes a real number,
//
//   v = output_value(t, f), which is double(t) * f rounded to float                          (numeric/rescale.hpp)
//   f = output_factor<type of t>(lhs.scale * rhs.scale * (scale of column j) * (scale of row i))
//
// and then passes the stages from left to right; each stage is a small value that works on a piece of one row. Last it
// is stored, as float (a NaN as canonical_nan) or quantized. To add a stage write a struct with an `operator()(float*
// v, dim_t row, dim_t col, dim_t count)`, or with a template `apply(Floats v, dim_t row, dim_t col)` that takes and
// gives a vector (simd/vector.hpp) of values from column col on: where all stages have that, values stay in registers
// from the first to the store. A stage has a `check(const stage_site&)` too if it has sizes that could be wrong; a
// `prefetch(dim_t row, dim_t col)` if it reads memory beside the sums, which are not yet there when that is called; a
// `seen(const float* v, dim_t count)` if it only looks at what is stored: many values at a time, in any order; and a
// `resolved(use)` if it is the only one and chooses between ways that are known before the first value: that calls
// use(stage) with the one that does this and nothing else, once for each tile, so that values need not ask.

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/numeric/rounding.hpp"
#include "intaglio/simd/arch/codes.hpp"
#include "intaglio/simd/arch/extremes.hpp"
#include "intaglio/simd/vector.hpp"
#include "intaglio/tensor/footprint.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// What stages are checked against, before any work: the size of the product that they follow, and the memory that its
/// output is written to while they read theirs.
struct stage_site {
    dim_t rows = 0, cols = 0;
    detail::footprint memory;
    matrix_view<const float> output; ///< where it holds floats

    /// Throws shape_error unless `values` are one for each column, value_error where they lie in the output.
    void check_columns(const char* stage, std::span<const float> values) const {
        require(std::ssize(values) == cols, stage, ": ", std::ssize(values), " values, the product has ", cols,
                " columns; give one for each");
        require<value_error>(!overlap(detail::footprint(values), memory), stage,
                             ": the values share memory with the output; copy them first");
    }
};

/// v += per_column[j].
struct bias {
    std::span<const float> per_column;
    void check(const stage_site& site) const { site.check_columns("bias", per_column); }
    template <class Floats>
    INTAGLIO_INLINE Floats apply(Floats v, dim_t, dim_t col) const {
        return v + simd::load_vector<Floats>(per_column.data() + col);
    }
};

/// v = fma(v, scale[j], shift[j]): a folded batch norm.
struct scale_shift {
    std::span<const float> scale;
    std::span<const float> shift;
    void check(const stage_site& site) const {
        site.check_columns("scale_shift: scale", scale);
        site.check_columns("scale_shift: shift", shift);
    }
    INTAGLIO_INLINE void operator()(float* v, dim_t, dim_t col, dim_t count) const {
        const float *const a = scale.data() + col, *const b = shift.data() + col;
        for (dim_t e = 0; e < count; ++e) v[e] = std::fma(v[e], a[e], b[e]);
    }
};

/// v = max(v, 0); NaN stays NaN, and -0 stays -0, on every instruction set.
struct relu {
    template <class Floats>
    INTAGLIO_INLINE Floats apply(Floats v, dim_t, dim_t) const {
        return simd::maximum(Floats{}, v);
    }
};

/// v += values(i, j): the residual connection. `values` may be the output itself, each element of which is read before
/// it is written, but no other view of its memory.
struct add {
    matrix_view<const float> values;
    void check(const stage_site& site) const {
        require(values.rows() == site.rows && values.cols() == site.cols, "add: the values are ", values.rows(), " x ",
                values.cols(), ", the product is ", site.rows, " x ", site.cols);
        require<value_error>(values.data() || values.empty(), "add: the values are ", values.rows(), " x ",
                             values.cols(), " but their pointer is null");
        require<value_error>(values == site.output || !overlap(detail::footprint(values), site.memory),
                             "add: the values share memory with the output and are not the output itself; copy them "
                             "first");
    }
    INTAGLIO_INLINE void operator()(float* v, dim_t row, dim_t col, dim_t count) const {
        if (values.col_stride() != 1) {
            for (dim_t e = 0; e < count; ++e) v[e] += values(row, col + e);
            return;
        }
        const float* const other = values.data() + row * values.row_stride() + col;
        simd::transform_floats(
            v, count, [&](auto x, dim_t e) __attribute__((always_inline)) {
                return x + simd::load_vector<decltype(x)>(other + e);
            });
    }
};

/// *result = max(*result, |v|) over all that passes, canonical_nan if one is NaN; the caller sets *result first (to 0).
/// The same for every thread count.
struct max_magnitude {
    float* result = nullptr;
    void check(const stage_site& site) const {
        require<value_error>(result != nullptr, "max_magnitude: the pointer to its result is null");
        require<value_error>(!overlap(detail::footprint(std::span(result, 1)), site.memory),
                             "max_magnitude: the result lies in the output");
    }
    INTAGLIO_INLINE void operator()(const float* v, dim_t, dim_t, dim_t count) const {
        // as bits, non-negative floats order like integers, and the loop vectorises
        std::uint32_t most = 0;
        for (dim_t e = 0; e < count; ++e) {
            const std::uint32_t bits = std::bit_cast<std::uint32_t>(v[e]) & 0x7FFFFFFFU;
            most = most > bits ? most : bits;
        }
        constexpr auto nan = std::bit_cast<std::uint32_t>(canonical_nan); // no quiet one is less
        most = most < nan ? most : nan;
        std::atomic_ref<float> shared(*result);
        float seen = shared.load(std::memory_order_relaxed);
        const float candidate = std::bit_cast<float>(most);
        while (most > std::bit_cast<std::uint32_t>(seen) &&
               !shared.compare_exchange_weak(seen, candidate, std::memory_order_relaxed)) {
        }
    }
};

template <class Stage>
concept vector_stage = requires(const Stage& s, simd::vector<float, 4> v) {
    s.apply(v, dim_t{}, dim_t{});
};

/// A stage on a piece of a row, whatever it works on.
template <class Stage>
INTAGLIO_INLINE void run_stage(const Stage& stage, float* v, dim_t row, dim_t col, dim_t count) {
    if constexpr (vector_stage<Stage>)
        simd::transform_floats(
            v, count, [&](auto x, dim_t e) __attribute__((always_inline)) { return stage.apply(x, row, col + e); });
    else
        stage(v, row, col, count);
}

template <class Stage>
INTAGLIO_INLINE void prefetch_stage(const Stage& stage, dim_t row, dim_t col) {
    if constexpr (requires { stage.prefetch(row, col); }) stage.prefetch(row, col);
}

template <class Stage>
concept seeing_stage = requires(const Stage& s, const float* v) {
    s.seen(v, dim_t{});
};

/// Stages in the order in which they are applied: `epilogue{bias{b}, relu{}}`.
template <class... Stages>
struct epilogue {
    std::tuple<Stages...> stages;
    static constexpr bool empty = sizeof...(Stages) == 0;
    /// Whether a stage looks at what is stored.
    static constexpr bool sees = (seeing_stage<Stages> || ...);
    /// Whether all work on vectors.
    static constexpr bool in_vectors = (vector_stage<Stages> && ...);

    epilogue() = default;
    explicit epilogue(Stages... s) requires(sizeof...(Stages) > 0) : stages(s...) {}

    INTAGLIO_INLINE void operator()(float* v, dim_t row, dim_t col, dim_t count) const {
        std::apply(
            [&](const Stages&... s) __attribute__((always_inline)) { (run_stage(s, v, row, col, count), ...); },
            stages);
    }
    template <class Floats>
    INTAGLIO_INLINE Floats apply(Floats v, dim_t row, dim_t col) const requires in_vectors {
        std::apply(
            [&](const Stages&... s) __attribute__((always_inline)) { ((v = s.apply(v, row, col)), ...); }, stages);
        return v;
    }
    /// Calls use(epilogue) with one that has made its choices.
    template <class Use>
    INTAGLIO_INLINE void resolved(const Use& use) const {
        if constexpr (sizeof...(Stages) == 1) {
            const auto& stage = std::get<0>(stages);
            const auto with = [&](const auto& s) { use(epilogue<std::remove_cvref_t<decltype(s)>>(s)); };
            if constexpr (requires { stage.resolved(with); }) return stage.resolved(with);
        }
        use(*this);
    }
    /// Inlined down to the stages, without std::apply: GCC takes a function that only prefetches for one that has no
    /// effect, and leaves calls of it out.
    INTAGLIO_INLINE void prefetch(dim_t row, dim_t col) const {
        [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
            (prefetch_stage(std::get<I>(stages), row, col), ...);
        }
        (std::index_sequence_for<Stages...>{});
    }
    INTAGLIO_INLINE void seen(const float* v, dim_t count) const {
        const auto one = [&](const auto& s) {
            if constexpr (seeing_stage<std::remove_cvref_t<decltype(s)>>) s.seen(v, count);
        };
        std::apply([&](const Stages&... s) { (one(s), ...); }, stages);
    }
    /// Throws where a stage that checks itself does not fit.
    void check(const stage_site& site) const {
        const auto one = [&](const auto& s) {
            if constexpr (requires { s.check(site); }) s.check(site);
        };
        std::apply([&](const Stages&... s) { (one(s), ...); }, stages);
    }
};

/// An output that is stored quantized: round_to_nearest_even(v * inverse_scale), saturated to T's range (symmetric
/// where T is signed). An infinity saturates, a NaN is stored as the least value.
template <class T>
struct quantized_view {
    static_assert(std::is_integral_v<T> && (sizeof(T) <= 2 || std::is_same_v<T, std::int32_t>),
                  "quantized_view: numbers are stored as integers of 8 or 16 bits or as std::int32_t; use one of them");
    matrix_view<T> values;
    float inverse_scale = 1;
};

namespace detail {

/// int64 to double, exact below 2^51, in two operations that every vector unit has.
INTAGLIO_INLINE double to_double(std::int64_t t) {
    constexpr std::int64_t magic_bits = 0x4338000000000000; // 1.5 * 2^52
    return std::bit_cast<double>(t + magic_bits) - std::bit_cast<double>(magic_bits);
}
INTAGLIO_INLINE double to_double(std::int32_t t) { return static_cast<double>(t); }
INTAGLIO_INLINE double to_double(float t) { return static_cast<double>(t + 0.0F); } // -0 counts as 0

/// Nearest even, saturated; NaN becomes the least value.
///
/// Up to 16 bits the sum with 1.5 * 2^23 rounds in the current (nearest-even) mode, and its low bits are the integer.
/// 2^31 - 1 is no float: what reaches 2^31 is saturated apart, and any float below is an int32 as soon as it is
/// rounded.
template <class T>
INTAGLIO_INLINE T requantize(float v, float inverse_scale) {
    constexpr T most = std::numeric_limits<T>::max(), least = std::is_signed_v<T> ? static_cast<T>(-most) : T{0};
    if constexpr (sizeof(T) == 4) {
        constexpr float beyond = 0x1p31F;
        const float rounded = round_float(v * inverse_scale);
        const T inside = static_cast<T>(rounded > -beyond && rounded < beyond ? rounded : 0.0F);
        return rounded >= beyond ? most : rounded > -beyond ? inside : least;
    } else {
        constexpr float low = least, high = most, magic = 12582912.0F;
        float scaled = v * inverse_scale;
        scaled = scaled > low ? scaled : low;
        scaled = scaled < high ? scaled : high;
        return static_cast<T>(std::bit_cast<std::int32_t>(scaled + magic) - std::bit_cast<std::int32_t>(magic));
    }
}

/// to[e] = requantize<T>(v[e], inverse_scale).
template <class T>
INTAGLIO_INLINE void requantize_row(const float* v, dim_t count, float inverse_scale, T* to) {
    simd::for_each_vector(
        count, [&](auto lanes, dim_t e) __attribute__((always_inline)) {
            using floats = simd::vector<float, decltype(lanes)::value>;
            simd::store_codes(simd::load_vector<floats>(v + e) * inverse_scale, to + e);
        });
}

template <class Out>
struct output_traits; // where a finished piece of a row goes
template <class T>
struct output_traits<matrix_view<T>> {
    using stored = T;
    static constexpr bool raw = std::is_integral_v<T>;
    static const matrix_view<T>& view(const matrix_view<T>& out) { return out; }
};
template <class T>
struct output_traits<quantized_view<T>> {
    using stored = T;
    static constexpr bool raw = false;
    static const matrix_view<T>& view(const quantized_view<T>& out) { return out.values; }
};

/// Stores a vector of finished floats at `to`, of which `out` has the type.
template <class Floats>
INTAGLIO_INLINE void store_values(const matrix_view<float>&, Floats v, float* to) {
    simd::store_vector(to, simd::canonical(v));
}
template <class T, class Floats>
INTAGLIO_INLINE void store_values(const quantized_view<T>& out, Floats v, T* to) {
    simd::store_codes(v * out.inverse_scale, to);
}
/// The same of two that are neighbours.
template <class Floats>
INTAGLIO_INLINE void store_values(const matrix_view<float>& out, Floats v, Floats next, float* to) {
    store_values(out, v, to);
    store_values(out, next, to + sizeof(Floats) / sizeof(float));
}
template <class T, class Floats>
INTAGLIO_INLINE void store_values(const quantized_view<T>& out, Floats v, Floats next, T* to) {
    simd::store_codes(v * out.inverse_scale, next * out.inverse_scale, to);
}

/// Stores `count` finished floats as row `row`, columns from `col` on.
template <class T>
INTAGLIO_INLINE void store_piece(const matrix_view<T>& out, const float* v, dim_t row, dim_t col, dim_t count) {
    T* to = out.data() + row * out.row_stride() + col * out.col_stride();
    if (out.col_stride() == 1)
        for (dim_t e = 0; e < count; ++e) to[e] = canonical(v[e]);
    else
        for (dim_t e = 0; e < count; ++e) to[e * out.col_stride()] = canonical(v[e]);
}
template <class T>
INTAGLIO_INLINE void store_piece(const quantized_view<T>& out, const float* v, dim_t row, dim_t col, dim_t count) {
    T* to = out.values.data() + row * out.values.row_stride() + col * out.values.col_stride();
    if constexpr (sizeof(T) < 4)
        if (out.values.col_stride() == 1) return requantize_row(v, count, out.inverse_scale, to);
    for (dim_t e = 0; e < count; ++e) to[e * out.values.col_stride()] = requantize<T>(v[e], out.inverse_scale);
}

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI
