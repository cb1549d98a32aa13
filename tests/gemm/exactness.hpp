// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the exactness suites of gemm and conv share: the policies under test, data at the magnitudes that come closest
// to overflow, and the loop over all kernels of this program. A *case* is one (policy, shape, data, operation, arch,
// thread count); each is compared bit for bit with the scalar text of reference.hpp.
//
// By default a suite draws a sample that takes some seconds; with the environment variable INTAGLIO_TEST_ALL=1 it draws
// well over 10,000 cases.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "intaglio/core/error.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/gemm/reference.hpp"
#include "kernel_table.hpp"
#include "support/catch.hpp"
#include "support/planes.hpp"

namespace exactness {

using namespace intaglio;

/// Numbers that are the same on every machine and in every run.
class source {
public:
    explicit source(std::uint64_t seed) : engine_(seed) {}
    std::int64_t between(std::int64_t low, std::int64_t high) { // both included
        return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
    }
    bool chance(int percent) { return between(0, 99) < percent; }
    template <class T>
    T pick(const std::vector<T>& from) {
        return from[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(from.size()) - 1))];
    }

private:
    std::mt19937_64 engine_;
};

/// The last three are of floats alone; of other formats they are the full range.
enum class magnitudes {
    full_range,
    all_largest,
    alternating,
    one_outlier,
    sparse,
    small,
    zeros,
    some_not_finite,
    all_not_finite,
    underflowing ///< products do, and sums of them are -0 or 0
};

inline const char* name_of(magnitudes m) {
    constexpr const char* names[] = {"full range", "all largest", "alternating",     "one outlier",    "sparse",
                                     "small",      "zeros",       "some not finite", "all not finite", "underflowing"};
    return names[static_cast<int>(m)];
}

/// An infinity, or a NaN of one of several payloads, of either sign.
inline float draw_not_finite(source& random) {
    return std::bit_cast<float>(random.pick<std::uint32_t>(
        {0x7f80'0000U, 0xff80'0000U, 0x7fc0'0000U, 0xffc0'0000U, 0x7fc1'2345U, 0xffff'ffffU, 0x7f81'2345U}));
}

template <class Format>
magnitudes draw_magnitudes(source& random) {
    if (std::is_same_v<Format, float32> && random.chance(40))
        return random.pick<magnitudes>(
            {magnitudes::some_not_finite, magnitudes::all_not_finite, magnitudes::underflowing});
    return random.pick<magnitudes>({magnitudes::full_range, magnitudes::full_range, magnitudes::all_largest,
                                    magnitudes::alternating, magnitudes::one_outlier, magnitudes::sparse,
                                    magnitudes::small, magnitudes::zeros});
}

/// `count` numbers of a format: of planar bytes the int16 of byte_planes, in two planes.
template <class Format>
std::vector<typename Format::storage> draw_values(source& random, std::size_t count, magnitudes kind) {
    using storage = typename Format::storage;
    if constexpr (std::is_same_v<Format, planar_bytes>) return planes_of(draw_values<byte_planes>(random, count, kind));
    std::vector<storage> values(count);
    storage low{}, high{};
    const auto any = [&]() -> storage {
        if constexpr (std::is_same_v<storage, float>)
            return std::ldexp(static_cast<float>(random.between(-(1 << 24), 1 << 24)),
                              static_cast<int>(random.between(-30, -18)));
        else
            return static_cast<storage>(random.between(low, high));
    };
    if constexpr (std::is_same_v<storage, float>) {
        low = -3e17F;
        high = 3e17F;
    } else {
        low = static_cast<storage>(Format::min_value);
        high = static_cast<storage>(std::min<std::int64_t>(Format::max_magnitude, std::numeric_limits<storage>::max()));
    }
    const auto outlier = static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(count)));
    for (std::size_t i = 0; i < count; ++i) {
        switch (kind) {
        case magnitudes::full_range:
            values[i] = any();
            break;
        case magnitudes::all_largest:
            values[i] = high;
            break;
        case magnitudes::alternating:
            values[i] = i % 2 ? low : high;
            break;
        case magnitudes::one_outlier:
            values[i] = i == outlier ? high : static_cast<storage>(i % 3 == 0 ? 1 : 0);
            break;
        case magnitudes::sparse:
            values[i] = random.chance(10) ? any() : storage{0};
            break;
        case magnitudes::small:
            values[i] = static_cast<storage>(random.between(low < 0 ? -1 : 0, 1));
            break;
        case magnitudes::zeros:
            break;
        case magnitudes::some_not_finite:
        case magnitudes::all_not_finite:
        case magnitudes::underflowing:
            values[i] = any();
            if constexpr (std::is_same_v<storage, float>) {
                if (kind == magnitudes::underflowing)
                    values[i] = std::ldexp(static_cast<float>(random.between(-2, 2)), -80);
                else if (kind == magnitudes::all_not_finite || i == outlier || random.chance(1))
                    values[i] = draw_not_finite(random);
            }
            break;
        }
    }
    return values;
}

template <class Scale>
std::vector<Scale> draw_scales(source& random, std::size_t count, magnitudes kind) {
    std::vector<Scale> scales(count);
    const bool odd = random.chance(15);
    for (Scale& s : scales) {
        if constexpr (std::is_same_v<Scale, std::uint8_t>)
            s = static_cast<std::uint8_t>(
                kind == magnitudes::all_largest || kind == magnitudes::alternating ? 255 : random.between(0, 255));
        else
            s = std::ldexp(static_cast<float>(random.between(1, 1 << 20)), static_cast<int>(random.between(-24, -16)));
        if constexpr (std::is_same_v<Scale, float>)
            if (odd && random.chance(20)) s = random.pick<float>({draw_not_finite(random), 0.0F, -1.5F, 0x1p100F});
    }
    return scales;
}

/// An operand that owns its numbers. `along` is its extent along the reduction, `across` the other one.
template <class Operand, class Scale>
struct drawn_operand {
    std::vector<typename Operand::storage> values;
    std::vector<Scale> scales;
    kernel_tables::operand_data data;
};

/// `reduction_is_rows`: rhs is (along, across), lhs is (across, along). `transposed` stores it the other way round;
/// `padding` leaves elements between its rows, of the largest magnitude so that a read of one shows.
template <class Operand, class Scale>
drawn_operand<Operand, Scale> draw_operand(source& random, dim_t along, dim_t across, bool reduction_is_rows,
                                           bool transposed, dim_t padding, magnitudes kind) {
    using format = typename Operand::format;
    constexpr dim_t planes = Operand::planes;
    drawn_operand<Operand, Scale> o;
    const dim_t rows = reduction_is_rows ? along : across, cols = reduction_is_rows ? across : along;
    const dim_t outer = transposed ? cols : rows, inner = transposed ? rows : cols, pitch = inner + padding;
    o.values = draw_values<format>(random, static_cast<std::size_t>(planes * outer * pitch), kind);
    o.data.rows = rows;
    o.data.cols = cols;
    o.data.row_stride = transposed ? 1 : pitch;
    o.data.col_stride = transposed ? pitch : 1;
    o.data.plane_stride = outer * pitch;
    o.data.scale = std::ldexp(static_cast<double>(random.between(1, 1000)), static_cast<int>(random.between(-40, -10)));
    if (random.chance(5))
        o.data.scale = random.pick<double>({static_cast<double>(draw_not_finite(random)), -0.75, 1e300, 0.0});
    if constexpr (Operand::sharing::by_row) {
        const dim_t blocks =
            Operand::block > 0 ? (along + Operand::block - 1) / (Operand::block > 0 ? Operand::block : 1) : 1;
        o.scales = draw_scales<Scale>(
            random, static_cast<std::size_t>((Operand::block > 0 ? planes : 1) * across * blocks), kind);
    }
    o.data.values = o.values.data();
    o.data.scales = o.scales.data();
    o.data.scale_count = static_cast<dim_t>(o.scales.size());
    return o;
}

template <GemmPolicy P>
using drawn_lhs = drawn_operand<typename P::lhs, scale_type<typename P::lhs, typename P::total>>;
template <GemmPolicy P>
using drawn_rhs = drawn_operand<typename P::rhs, scale_type<typename P::rhs, typename P::total>>;

template <class View>
View view_of(const kernel_tables::operand_data& o) {
    View view;
    using element = std::remove_pointer_t<decltype(view.values.data())>;
    view.values = matrix_view<element>(static_cast<element*>(o.values), o.rows, o.cols, o.row_stride, o.col_stride);
    view.scale = o.scale;
    view.scales = {static_cast<const typename View::scale_type*>(o.scales), static_cast<std::size_t>(o.scale_count)};
    view.plane_stride = o.plane_stride;
    return view;
}

/// An output with elements around it that nobody may touch.
template <class T>
struct drawn_output {
    std::vector<T> memory;
    matrix_view<T> view;

    /// Strided by `padding` elements, column-major where `transposed`.
    drawn_output(dim_t rows, dim_t cols, dim_t padding = 0, bool transposed = false) {
        const dim_t pitch = (transposed ? rows : cols) + padding;
        memory.resize(static_cast<std::size_t>((transposed ? cols : rows) * pitch + padding));
        if (!memory.empty()) std::memset(static_cast<void*>(memory.data()), 0xA5, memory.size() * sizeof(T));
        view = matrix_view<T>(memory.data() + padding, rows, cols, transposed ? 1 : pitch, transposed ? pitch : 1);
    }
    drawn_output(const drawn_output&) = delete;
    drawn_output& operator=(const drawn_output&) = delete;

    kernel_tables::output_data data(kernel_tables::output_data::kinds kind, float inverse_scale = 1) const {
        return {kind, view.data(), view.rows(), view.cols(), view.row_stride(), view.col_stride(), inverse_scale};
    }
    bool same_bits(const drawn_output& other) const {
        return memory.size() == other.memory.size() &&
               (memory.empty() || std::memcmp(memory.data(), other.memory.data(), memory.size() * sizeof(T)) == 0);
    }
    /// Where the first difference is, for a message.
    std::string difference(const drawn_output& other) const {
        for (dim_t i = 0; i < view.rows(); ++i)
            for (dim_t j = 0; j < view.cols(); ++j)
                if (std::memcmp(&view(i, j), &other.view(i, j), sizeof(T)) != 0)
                    return join("at (", i, ", ", j, "): ", view(i, j), " instead of ", other.view(i, j));
        return "outside of the output";
    }
};

/// The stages of kernel_tables::stage_data with numbers to apply, and their scalar text.
struct drawn_stages {
    std::vector<float> bias, scale, shift, residual;
    float largest = 0;
    kernel_tables::stage_data data;

    drawn_stages(source& random, kernel_tables::stage_data::kinds kind, dim_t rows, dim_t cols, float unit) {
        const auto numbers = [&](dim_t count) {
            std::vector<float> v(static_cast<std::size_t>(count));
            for (float& x : v) x = unit * static_cast<float>(random.between(-1000, 1000)) * 1e-3F;
            return v;
        };
        bias = numbers(cols);
        scale = numbers(cols);
        for (float& s : scale) s /= unit;
        shift = numbers(cols);
        residual = numbers(rows * cols);
        data.kind = kind;
        data.bias = bias.data();
        data.scale = scale.data();
        data.shift = shift.data();
        data.residual = residual.data();
        data.max_magnitude = &largest;
    }
    drawn_stages(const drawn_stages&) = delete;
    drawn_stages& operator=(const drawn_stages&) = delete;

    float apply(float v, dim_t i, dim_t j, dim_t cols, float& most) const {
        using kernel_tables::stage_data;
        const auto column = static_cast<std::size_t>(j);
        if (data.kind == stage_data::bias_relu) {
            v += bias[column];
            v = v > 0 ? v : 0.0F;
        }
        if (data.kind == stage_data::normalized) {
            v = std::fma(v, scale[column], shift[column]);
            v += residual[static_cast<std::size_t>(i * cols + j)];
            v = v > 0 ? v : 0.0F;
            most = std::max(most, std::fabs(v));
        }
        return v;
    }
};

/// Nearest even, saturated to T's range, which is symmetric where T is signed.
template <class T>
T quantized(float v, float inverse_scale) {
    if constexpr (std::is_same_v<T, float>) {
        return v;
    } else {
        constexpr float high = static_cast<float>(std::numeric_limits<T>::max());
        return static_cast<T>(
            std::nearbyint(std::min(std::max(v * inverse_scale, std::is_signed_v<T> ? -high : 0.0F), high)));
    }
}

inline bool run_whole() {
    const char* all = std::getenv("INTAGLIO_TEST_ALL");
    return all && *all && std::strcmp(all, "0") != 0;
}

/// Counts cases; prints what ran and what was skipped when a suite ends.
struct tally {
    const char* suite;
    long cases = 0;
    ~tally() {
        for (const auto& table : kernel_tables::arch_tables())
            if (!table.usable())
                std::printf("%s: %s skipped, %s\n", suite, table.name,
                            table.built ? "this CPU lacks it" : "not in this build");
        std::printf("%s: %ld cases compared bit for bit\n", suite, cases);
    }
};

/// Calls run(kernel, arch name) for every usable arch that has the policy. Fails where there is none at all.
template <class Run>
void for_each_kernel(const char* policy, const Run& run) {
    int found = 0;
    for (const auto& table : kernel_tables::arch_tables()) {
        if (!table.usable()) continue;
        if (const kernel_tables::kernel* kernel = table.find(policy)) {
            run(*kernel, table.name);
            ++found;
        }
    }
    INFO("policy " << policy << " is in no table of this program");
    CHECK(found > 0);
}

/// Calls visit.template operator()<P>("name") for every policy of presets.hpp, under the names of the tables.
template <class Visit>
void for_each_policy(const Visit& visit) {
    visit.template operator()<fp32>("fp32");
    visit.template operator()<dfp16_training>("dfp16_training");
    visit.template operator()<dfp16_bytes>("dfp16_bytes");
    visit.template operator()<dfp16_planar>("dfp16_planar");
    visit.template operator()<dfp16_dial<1>>("dfp16_dial<1>");
    visit.template operator()<dfp16_dial<3>>("dfp16_dial<3>");
    visit.template operator()<int8_inference>("int8_inference");
    visit.template operator()<int8_signed>("int8_signed");
    visit.template operator()<int7_inference>("int7_inference");
    visit.template operator()<ternary8_inference<1>>("ternary8_inference<1>");
    visit.template operator()<ternary8_inference<2>>("ternary8_inference<2>");
    visit.template operator()<ternary8_inference<3>>("ternary8_inference<3>");
    visit.template operator()<ternary8_inference<1, 16>>("ternary8_inference<1,16>");
    visit.template operator()<ternary8_inference<2, 16>>("ternary8_inference<2,16>");
    visit.template operator()<ternary8_inference<1, 65536>>("ternary8_inference<1,all>");
    visit.template operator()<ternary8_locked<2>>("ternary8_locked<2>");
    visit.template operator()<ternary8_locked<3>>("ternary8_locked<3>");
    visit.template operator()<int4_blocks>("int4_blocks");
    visit.template operator()<int16_blocks>("int16_blocks");
    visit.template operator()<int32_mantissas>("int32_mantissas");
}

/// The longest reduction that can't pass an integral total, whatever the numbers.
template <GemmPolicy P>
constexpr dim_t longest_reduction() {
    if constexpr (std::is_integral_v<typename P::total>) {
        constexpr std::int64_t product = P::lhs::format::max_magnitude * P::rhs::format::max_magnitude;
        constexpr std::int64_t scaled = product * (P::rhs::block > 0 ? 255 : 1) * P::rhs::planes;
        return static_cast<dim_t>(std::numeric_limits<typename P::total>::max() / scaled);
    } else {
        return std::numeric_limits<dim_t>::max();
    }
}

inline constexpr int thread_counts[] = {1, 2, 3, 8};

inline kernel_tables::storage draw_storage(source& random) {
    using kernel_tables::storage;
    return random.pick<storage>({storage::fast, storage::small, storage::smallest});
}
inline const char* name_of(kernel_tables::storage s) {
    constexpr const char* names[] = {"fast", "small", "smallest"};
    return names[static_cast<int>(s)];
}

} // namespace exactness
