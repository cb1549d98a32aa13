// SPDX-License-Identifier: Apache-2.0

// AMX on emulated tile registers: the tile text against plain lanes, then products and convolutions of every policy
// against the scalar text. The machine's own instructions run in the exactness suites where the CPU has them.

#include <cstdint>
#include <type_traits>
#include <vector>

#include "gemm/exactness.hpp"
#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/conv/reference.hpp"
#include "simd/amx_emulation.hpp"
#include "support/message_of.hpp"

namespace {

using namespace exactness;

/// A run of `steps` steps on Down x Across tiles, from an lhs with rows `row_stride` apart, against lanes_atom.
template <class L, class R, int Down, int Across>
void check_tile(source& random, dim_t steps, bool extremes) {
    using atom = simd::amx_bytes<L, R, emulated_tiles>;
    using tile = simd::register_tile<atom, Down, Across>;
    using lanes = simd::lanes_atom<tile::rows, tile::cols, 64, L, R, std::int32_t>;
    const auto draw = [&](auto& values) {
        using T = typename std::remove_reference_t<decltype(values)>::value_type;
        constexpr std::int64_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
        for (T& v : values) v = static_cast<T>(extremes ? (random.chance(50) ? low : high) : random.between(low, high));
    };
    const dim_t row_stride = steps * 64 + 17;
    std::vector<L> a(static_cast<std::size_t>(tile::rows * row_stride + 64));
    std::vector<R> b(static_cast<std::size_t>(tile::cols * steps * 64)), columns(b.size());
    draw(a);
    draw(b);
    for (dim_t s = 0; s < steps; ++s) // the panel in groups of four, as columns of 64
        for (dim_t j = 0; j < tile::cols; ++j)
            for (dim_t k = 0; k < 64; ++k)
                columns[static_cast<std::size_t>((s * tile::cols + j) * 64 + k)] =
                    b[static_cast<std::size_t>(s * tile::cols * 64 + k / 4 * (4 * tile::cols) + j * 4 + k % 4)];

    std::vector<std::int32_t> sums(static_cast<std::size_t>(tile::rows * tile::cols)), expected(sums.size());
    {
        const simd::atom_scope<atom> scope{};
        tile t;
        t.zero();
        t.run(a.data(), row_stride, 64, b.data(), steps / 2);
        t.store(sums.data());
        t.load(sums.data());
        t.run(a.data() + steps / 2 * 64, row_stride, 64, b.data() + steps / 2 * 64 * tile::cols, steps - steps / 2);
        t.store(sums.data());
    }
    auto c = lanes::zero();
    for (dim_t s = 0; s < steps; ++s)
        lanes::step(c, lanes::load_lhs(a.data() + s * 64, row_stride),
                    lanes::load_rhs(columns.data() + s * 64 * tile::cols));
    lanes::store(c, expected.data(), tile::cols);
    CHECK(sums == expected);
}

template <class L, class R>
void check_tiles() {
    source random(11);
    for (const bool extremes : {false, true})
        for (const dim_t steps : {1, 2, 5}) {
            check_tile<L, R, 1, 1>(random, steps, extremes);
            check_tile<L, R, 1, 2>(random, steps, extremes);
            check_tile<L, R, 2, 1>(random, steps, extremes);
            check_tile<L, R, 2, 2>(random, steps, extremes);
        }
}

template <GemmPolicy P>
void check_gemm(source& random, dim_t m, dim_t n, dim_t k, magnitudes lhs_kind, magnitudes rhs_kind) {
    const bool lhs_transposed = random.chance(30), rhs_transposed = random.chance(50);
    const auto lhs_data = draw_operand<typename P::lhs, scale_type<typename P::lhs, typename P::total>>(
        random, k, m, false, lhs_transposed, 3, lhs_kind);
    const auto rhs_data = draw_operand<typename P::rhs, scale_type<typename P::rhs, typename P::total>>(
        random, k, n, true, rhs_transposed, 1, rhs_kind);
    const auto lhs = view_of<lhs_view<P>>(lhs_data.data);
    const auto rhs = view_of<rhs_view<P>>(rhs_data.data);
    thread_pool threads(2);
    audit check;
    INFO(m << " x " << n << " x " << k << ", lhs " << name_of(lhs_kind) << (lhs_transposed ? " transposed" : "")
           << ", rhs " << name_of(rhs_kind) << (rhs_transposed ? " transposed" : ""));
    const auto compare = [&](auto element, audit* checked) {
        using T = decltype(element);
        drawn_output<T> expected(m, n, 2), out(m, n, 2);
        reference_gemm<P>(lhs, rhs, expected.view);
        if (checked)
            gemm<P, emulated_amx>(lhs, rhs, out.view, epilogue<>{}, {}, checked);
        else
            gemm<P, emulated_amx>(lhs, rhs, out.view, epilogue<>{}, threads);
        if (!out.same_bits(expected)) FAIL_CHECK("differs " << out.difference(expected));
    };
    compare(float{}, nullptr);
    if constexpr (std::is_integral_v<typename P::total>) compare(typename P::total{}, nullptr);
    compare(float{}, &check);
    CHECK(check.overflows() == 0);
}

template <GemmPolicy P>
void check_conv(source& random, bool gradients) {
    conv_geometry g;
    g.batch = 2;
    g.height = 9;
    g.width = 21;
    g.in_channels = random.pick<dim_t>({3, 64});
    g.out_channels = 37;
    g.kernel_h = g.kernel_w = 3;
    g.pad_h = g.pad_w = 1;
    g.stride_w = random.between(1, 2);
    using storage = typename P::lhs::storage;
    const auto x = draw_values<typename P::lhs::format>(random, static_cast<std::size_t>(g.in_pixels() * g.in_channels),
                                                        magnitudes::full_range);
    const auto w = draw_values<typename P::rhs::format>(
        random, static_cast<std::size_t>(g.out_channels * g.filter_size()), magnitudes::full_range);
    const std::vector<float> scales(static_cast<std::size_t>(g.out_channels), 0.25F);
    rhs_view<P> filter{filter_matrix(g, w)};
    filter.plane_stride = g.out_channels * g.filter_size();
    if constexpr (P::rhs::sharing::by_row) filter.scales = scales;
    drawn_output<typename P::total> out(g.out_pixels(), g.out_channels), expected(g.out_pixels(), g.out_channels);
    reference_conv_forward<P>(g, x, 1, filter, expected.view);
    conv_forward<P, emulated_amx>(g, x, 1, pack_filter<P, emulated_amx>(g, filter), out.view);
    if (!out.same_bits(expected)) FAIL_CHECK("forward differs " << out.difference(expected));
    if constexpr (std::is_same_v<typename P::total, std::int64_t>) {
        if (!gradients) return;
        const auto d = draw_values<typename P::lhs::format>(
            random, static_cast<std::size_t>(g.out_pixels() * g.out_channels), magnitudes::full_range);
        drawn_output<std::int64_t> d_x(g.in_pixels(), g.in_channels), d_x_expected(g.in_pixels(), g.in_channels);
        reference_conv_input_gradient<P>(g, d, 1, w, 1, d_x_expected.view);
        conv_input_gradient<P, emulated_amx>(g, d, 1, w, 1, d_x.view);
        if (!d_x.same_bits(d_x_expected)) FAIL_CHECK("input gradient differs " << d_x.difference(d_x_expected));
        drawn_output<std::int64_t> d_w(g.out_channels, g.filter_size()), d_w_expected(g.out_channels, g.filter_size());
        reference_conv_weight_gradient<P>(g, x, 1, d, 1, d_w_expected.view);
        conv_weight_gradient<P, emulated_amx>(g, x, 1, d, 1, d_w.view);
        if (!d_w.same_bits(d_w_expected)) FAIL_CHECK("weight gradient differs " << d_w.difference(d_w_expected));
    }
    static_assert(sizeof(storage) <= 2);
}

} // namespace

TEST_CASE("AMX emulated: a register tile is plain lanes, for bytes of any signs", "[unit][exact]") {
    check_tiles<std::int8_t, std::int8_t>();
    check_tiles<std::int8_t, std::uint8_t>();
    check_tiles<std::uint8_t, std::int8_t>();
    check_tiles<std::uint8_t, std::uint8_t>();
    CHECK(emulated_tiles::configured == 0);
}

TEST_CASE("AMX emulated: products of every policy are those of the scalar text", "[unit][exact]") {
    static_assert(std::is_same_v<intaglio::detail::kernel_traits<dfp16_training, emulated_amx>::atom,
                                 simd::amx_bytes<std::int8_t, std::int8_t, emulated_tiles>>);
    static_assert(std::is_same_v<intaglio::detail::kernel_traits<int8_signed, emulated_amx>::atom,
                                 simd::amx_bytes<std::int8_t, std::int8_t, emulated_tiles>>);
    static_assert(std::is_same_v<intaglio::detail::kernel_traits<int8_inference, emulated_amx>::atom,
                                 simd::amx_bytes<std::uint8_t, std::int8_t, emulated_tiles>>);
    const int before = emulated_tiles::configurations;
    for_each_policy([&]<GemmPolicy P>(const char* policy) {
        INFO(policy);
        source random(5);
        check_gemm<P>(random, 1, 1, 1, magnitudes::all_largest, magnitudes::all_largest);
        check_gemm<P>(random, 33, 35, 65, magnitudes::full_range, magnitudes::full_range);
        check_gemm<P>(random, 16, 16, 64, magnitudes::all_largest, magnitudes::alternating);
        check_gemm<P>(random, 47, 70, 331, magnitudes::full_range, magnitudes::full_range);
        check_gemm<P>(random, 7, 3, 1500, magnitudes::all_largest, magnitudes::all_largest);
        for (int d = 0; d < 6; ++d)
            check_gemm<P>(random, random.between(0, 70), random.between(0, 70), random.between(0, 200),
                          draw_magnitudes<typename P::lhs::format>(random),
                          draw_magnitudes<typename P::rhs::format>(random));
    });
    CHECK(emulated_tiles::configurations > before);
    CHECK(emulated_tiles::configured == 0);
}

TEST_CASE("AMX emulated: convolutions are those of the scalar text", "[unit][exact]") {
    source random(17);
    for (int d = 0; d < 3; ++d) {
        check_conv<int8_inference>(random, false);
        check_conv<int8_signed>(random, false);
        check_conv<dfp16_training>(random, true);
        check_conv<dfp16_bytes>(random, true);
        check_conv<dfp16_planar>(random, true);
    }
    CHECK(emulated_tiles::configured == 0);
}

TEST_CASE("AMX emulated: an operating system that refuses tiles is an error that says so", "[unit]") {
    const std::vector<std::int16_t> a(64, 1), b(64, 1);
    std::vector<std::int64_t> out(64, -1);
    const lhs_view<dfp16_bytes> lhs{{a.data(), 8, 8}};
    const rhs_view<dfp16_bytes> rhs{{b.data(), 8, 8}};
    emulated_tiles::refusal = "the kernel refuses";
    CHECK(
        mentions<error>([&] { gemm<dfp16_bytes, emulated_amx>(lhs, rhs, matrix_view<std::int64_t>(out.data(), 8, 8)); },
                        "AMX", "the kernel refuses", "avx512_vnni"));
    emulated_tiles::refusal = {};
    CHECK(out == std::vector<std::int64_t>(64, -1));
    gemm<dfp16_bytes, emulated_amx>(lhs, rhs, matrix_view<std::int64_t>(out.data(), 8, 8));
    CHECK(out == std::vector<std::int64_t>(64, 8));
}

TEST_CASE("AMX emulated: whole tiles of planar bytes are read in place", "[unit]") {
    using traits = intaglio::detail::kernel_traits<dfp16_planar, emulated_amx>;
    static_assert(traits::rows == 32 && traits::stores_lhs_digits && traits::stores_rhs_digits);
    constexpr intaglio::dim_t m = 64 + 16, k = 192;
    std::vector<std::uint8_t> a(2 * m * k);
    intaglio::detail::worker_scratch<traits> scratch;
    intaglio::detail::gather_block<traits>(intaglio::detail::matrix_source<std::uint8_t>({a.data(), m, k}, m * k), 0, m,
                                           0, k, scratch);
    REQUIRE(scratch.panels.size() == 3);
    for (intaglio::dim_t p = 0; p < 3; ++p)
        CHECK(scratch.panels[static_cast<std::size_t>(p)].data == a.data() + p * 32 * k);
    CHECK(scratch.lhs.size() == 0);
}
