// SPDX-License-Identifier: Apache-2.0
#include "intaglio/quantize/residual.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "intaglio/quantize/report.hpp"
#include "support/catch.hpp"

namespace intaglio {
namespace {

std::vector<float> gaussian(dim_t count, std::uint64_t stream) {
    std::vector<float> w(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = random_normal(17, stream, i);
    return w;
}

std::vector<float> laplace(dim_t count, std::uint64_t stream) {
    std::vector<float> w(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < w.size(); ++i) {
        const float u = random_uniform(17, stream, i) - 0.5F;
        w[i] = -std::copysign(std::log1p(-2 * std::abs(u) * 0.999999F), u);
    }
    return w;
}

/// The sum of a block's errors, in units of its scale.
double error_sum(const std::vector<float>& w, const locked_tensor& t, dim_t row, dim_t b) {
    double sum = 0;
    for (dim_t col = b * t.block(); col < std::min(t.cols(), (b + 1) * t.block()); ++col)
        sum += static_cast<double>(w[static_cast<std::size_t>(row * t.cols() + col)]) - t.value(row, col);
    return sum / (t.factor() * t.scale(row, b));
}

bool same(const ternary_tensor& a, const ternary_tensor& b) {
    return a.factor() == b.factor() && std::equal(a.trits(), a.trits() + a.planes() * a.plane_stride(), b.trits()) &&
           std::equal(a.scales(), a.scales() + a.planes() * a.rows() * a.blocks(), b.scales());
}

} // namespace

// Reference values: 8-bit scales cost less than the tolerance. 4,096 blocks each.
TEST_CASE("errors of greedy planes on Gaussian and Laplace weights", "[unit]") {
    struct row {
        dim_t block;
        std::vector<double> gaussian, laplace;
    };
    const row table[] = {{4, {0.101}, {0.096}},
                         {16, {0.165}, {0.198}},
                         {64, {0.184, 0.0385, 0.0129, 0.0034, 0.0007}, {0.247, 0.066, 0.021, 0.0044, 0.0010}},
                         {256, {0.189}, {0.260}}};
    for (const auto& [block, of_gaussian, of_laplace] : table) {
        const dim_t rows = 64, cols = 64 * block;
        for (const auto* expected : {&of_gaussian, &of_laplace}) {
            const auto w = expected == &of_gaussian ? gaussian(rows * cols, 1) : laplace(rows * cols, 2);
            const auto t =
                quantize_residual(w, rows, cols, {.planes = static_cast<dim_t>(expected->size()), .block = block});
            for (std::size_t p = 0; p < expected->size(); ++p) {
                INFO("block " << block << " plane " << p);
                REQUIRE(nmse(w, t, static_cast<dim_t>(p + 1)) == Approx((*expected)[p]).epsilon(p < 3 ? 0.04 : 0.12));
            }
        }
    }
}

TEST_CASE("errors of locked digits on Gaussian and Laplace weights", "[unit]") {
    const dim_t rows = 64, cols = 4096;
    const auto g = gaussian(rows * cols, 3), l = laplace(rows * cols, 4);
    const auto error = [&](const std::vector<float>& w, int digits, bool sum_zero) {
        return nmse(w, quantize_locked(w, rows, cols, {.digits = digits, .block = 64, .sum_zero = sum_zero}));
    };
    REQUIRE(error(g, 1, false) == Approx(0.184).epsilon(0.03));
    REQUIRE(error(g, 2, false) == Approx(0.0263).epsilon(0.03));
    REQUIRE(error(g, 3, false) == Approx(0.0030).epsilon(0.04));
    REQUIRE(error(l, 1, false) == Approx(0.247).epsilon(0.03));
    REQUIRE(error(l, 2, false) == Approx(0.0445).epsilon(0.03));
    REQUIRE(error(l, 3, false) == Approx(0.0054).epsilon(0.04));
    REQUIRE(error(g, 4, false) < 0.0005);
    REQUIRE(error(g, 5, false) < 0.0001);
    // Letting the errors cancel costs some squared error.
    for (int digits = 1; digits <= 5; ++digits) {
        REQUIRE(error(g, digits, true) > error(g, digits, false));
        REQUIRE(error(g, digits, true) < 1.25 * error(g, digits, false));
    }
}

TEST_CASE("every greedy plane lowers the error by the proven share", "[unit]") {
    const dim_t block = 16, rows = 50, cols = 16;
    double harmonic = 0;
    for (int i = 1; i <= block; ++i) harmonic += 1.0 / i;
    auto w = gaussian(rows * cols, 5);
    for (float& x : w) x = x * x * x;
    const auto t = quantize_residual(w, rows, cols, {.planes = 4, .block = block});
    double before = 1;
    for (dim_t p = 1; p <= 4; ++p) {
        const double after = nmse(w, t, p);
        REQUIRE(after < before * (1 - 1 / harmonic) * 1.01); // 1 %: the rounding of scales
        before = after;
    }
}

TEST_CASE("the first planes are the conversion with fewer planes", "[unit][exact]") {
    const dim_t rows = 30, cols = 100;
    auto w = gaussian(rows * cols, 10);
    // a block whose second scale is the largest of all
    for (dim_t i = 0; i < 100; ++i) w[static_cast<std::size_t>(i)] = i == 5 ? 100.0F : 30.0F;
    const auto all = quantize_residual(w, rows, cols, {.planes = 4});
    REQUIRE(all.scale(1, 0, 0) == 255);
    REQUIRE(all.scale(0, 0, 0) < 255);
    for (dim_t planes = 1; planes < 4; ++planes) {
        const auto some = quantize_residual(w, rows, cols, {.planes = planes});
        REQUIRE(some.factor() == all.factor());
        REQUIRE(std::equal(some.trits(), some.trits() + planes * some.plane_stride(), all.trits()));
        REQUIRE(std::equal(some.scales(), some.scales() + planes * rows * some.blocks(), all.scales()));
        REQUIRE(nmse(w, some) == nmse(w, all, planes));
    }
}

TEST_CASE("sum-zero rounding of greedy planes acts on the last one", "[unit]") {
    const dim_t rows = 40, cols = 64;
    auto w = gaussian(rows * cols, 11);
    for (float& x : w) x += 0.2F;
    const auto plain = quantize_residual(w, rows, cols, {.planes = 2}),
               balanced = quantize_residual(w, rows, cols, {.planes = 2, .sum_zero = true});
    REQUIRE(std::equal(plain.trits(), plain.trits() + plain.plane_stride(), balanced.trits()));
    double before = 0, after = 0;
    for (dim_t row = 0; row < rows; ++row) {
        double e = 0, f = 0;
        for (dim_t col = 0; col < cols; ++col) {
            const auto x = static_cast<double>(w[static_cast<std::size_t>(row * cols + col)]);
            e += x - plain.value(row, col);
            f += x - balanced.value(row, col);
        }
        before += std::abs(e);
        after += std::abs(f);
    }
    REQUIRE(after < before / 4);
    REQUIRE(nmse(w, balanced) < 1.3 * nmse(w, plain));
}

TEST_CASE("sum-zero rounding makes the errors of a block cancel", "[unit]") {
    const dim_t rows = 20, cols = 200; // a ragged last block of 8
    auto w = gaussian(rows * cols, 6);
    for (float& x : w) x += 0.3F;
    for (int digits = 2; digits <= 5; ++digits) {
        const auto t = quantize_locked(w, rows, cols, {.digits = digits, .block = 64, .sum_zero = true});
        for (dim_t row = 0; row < rows; ++row) {
            for (dim_t b = 0; b < t.blocks(); ++b) REQUIRE(std::abs(error_sum(w, t, row, b)) <= 0.5 + 1e-9);
        }
    }
}

TEST_CASE("sum-zero rounding moves the fewest codes, and those nearest to the other choice", "[unit][exact]") {
    std::vector<dim_t> order;
    const std::vector<double> x{0.4, 1.3, -0.2, 2.45, 0.1};
    std::vector<int> codes{0, 1, 0, 2, 0}; // errors 0.4 0.3 -0.2 0.45 0.1: sum 1.05
    REQUIRE(round_to_sum_zero(std::span<const double>(x), std::span(codes), 4, order) == 1);
    REQUIRE(codes == std::vector<int>{0, 1, 0, 3, 0});
    std::vector<int> full{0, 1, 0, 2, 0}; // the first choice is at its limit already
    REQUIRE(round_to_sum_zero(std::span<const double>(x), std::span(full), 2, order) == 1);
    REQUIRE(full == std::vector<int>{1, 1, 0, 2, 0});
    const std::vector<double> clipped{9.0, 9.0}; // nothing can move
    std::vector<int> limits{4, 4};
    REQUIRE(round_to_sum_zero(std::span<const double>(clipped), std::span(limits), 4, order) == 0);
    REQUIRE(round_to_sum_zero(std::span<const double>(), std::span<int>(), 4, order) == 0);
    REQUIRE_THROWS_AS(round_to_sum_zero(std::span<const double>(), std::span(limits), 4, order), shape_error);
}

TEST_CASE("weights that are codes come back exactly", "[unit][exact]") {
    for (int digits = 1; digits <= 5; ++digits) {
        const int limit = static_cast<int>((detail::power_of_three(digits) - 1) / 2);
        std::vector<float> w(64);
        for (std::size_t i = 0; i < w.size(); ++i)
            w[i] = static_cast<float>(static_cast<int>(i * 37) % (2 * limit + 1) - limit) * 0.25F;
        w[0] = static_cast<float>(limit) * 0.25F;
        for (const bool sum_zero : {false, true})
            REQUIRE(nmse(w, quantize_locked(w, 1, 64, {.digits = digits, .block = 64, .sum_zero = sum_zero})) < 1e-13);
    }
    // Two planes, 3 : 1 with gaps: greedy finds them.
    const std::vector<float> w{10, -10, 0, 11, 9, -11, 0, 1};
    REQUIRE(nmse(w, quantize_residual(w, 1, 8, {.planes = 2, .block = 8})) < 0.002);
}

TEST_CASE("residual edge cases", "[unit]") {
    const auto none = quantize_residual({}, 0, 64, {.planes = 2});
    REQUIRE(none.blocks() == 1);
    REQUIRE(quantize_residual({}, 3, 0, {.planes = 2}).blocks() == 0);
    REQUIRE(quantize_locked({}, 3, 0, {}).blocks() == 0);

    const std::vector<float> zeros(130, 0.0F);
    const auto z = quantize_residual(zeros, 2, 65, {.planes = 3});
    REQUIRE(z.blocks() == 2);
    REQUIRE(std::all_of(z.trits(), z.trits() + 390, [](int t) { return t == 0; }));
    REQUIRE(std::all_of(z.scales(), z.scales() + 12, [](int q) { return q == 0; }));
    REQUIRE(nmse(zeros, z) == 0);
    const auto zl = quantize_locked(zeros, 2, 65, {.digits = 3});
    REQUIRE(std::all_of(zl.scales(), zl.scales() + 4, [](int q) { return q == 0; }));

    // A ragged last block, here of one weight, is exact; a zero block between others is left alone.
    std::vector<float> w(2 * 130, 0.0F);
    for (std::size_t i = 0; i < 64; ++i) w[i] = i % 2 == 0 ? 0.5F : -0.5F;
    w[128] = w[129] = 0.25F;
    w[130] = -0.5F;
    const auto t = quantize_residual(w, 2, 130, {.planes = 1});
    REQUIRE(t.blocks() == 3);
    REQUIRE(t.scale(0, 0, 0) == 255);
    REQUIRE(t.scale(0, 0, 1) == 0);
    REQUIRE(t.scale(0, 0, 2) == 128); // 127.5 to even
    REQUIRE(t.value(1, 0) == Approx(-0.5));
    REQUIRE(t.value(0, 70) == 0);

    // Blocks of one weight, and one block longer than the row.
    REQUIRE(nmse(w, quantize_residual(w, 2, 130, {.planes = 2, .block = 1})) < 1e-5);
    REQUIRE(quantize_locked(w, 2, 130, {.digits = 2, .block = 1000}).blocks() == 1);

    // Denormal and huge weights.
    auto tiny = gaussian(64, 8), huge = tiny;
    for (float& x : tiny) x *= 1e-40F;
    for (float& x : huge) x *= 1e37F;
    REQUIRE(nmse(tiny, quantize_locked(tiny, 1, 64, {.digits = 3})) < 0.006);
    REQUIRE(nmse(huge, quantize_locked(huge, 1, 64, {.digits = 3})) < 0.006);
    REQUIRE(nmse(huge, quantize_residual(huge, 1, 64, {.planes = 3})) < 0.03);
}

TEST_CASE("the result does not depend on the threads", "[unit][exact]") {
    thread_pool pool(3);
    const auto w = gaussian(37 * 100, 9);
    REQUIRE(
        same(quantize_residual(w, 37, 100, {.planes = 3}), quantize_residual(w, 37, 100, {.planes = 3}, "w", pool)));
    const auto a = quantize_locked(w, 37, 100, {.digits = 3}),
               b = quantize_locked(w, 37, 100, {.digits = 3}, "w", pool);
    REQUIRE(a.factor() == b.factor());
    REQUIRE(std::equal(a.codes(), a.codes() + 3700, b.codes()));
    REQUIRE(std::equal(a.scales(), a.scales() + 74, b.scales()));
}

TEST_CASE("locked codes split into digits and back", "[unit][exact]") {
    for (int digits = 1; digits <= 5; ++digits) {
        const int limit = static_cast<int>((detail::power_of_three(digits) - 1) / 2);
        std::vector<std::int8_t> codes;
        for (int c = -limit; c <= limit; ++c) codes.push_back(static_cast<std::int8_t>(c));
        std::vector<std::int8_t> planes(codes.size() * static_cast<std::size_t>(digits)), back(codes.size());
        split_locked(codes, digits, planes);
        REQUIRE(std::all_of(planes.begin(), planes.end(), [](int t) { return t >= -1 && t <= 1; }));
        fuse_locked(planes, digits, back);
        REQUIRE(back == codes);

        // The dial: the leading digits alone are the truncated tensor.
        locked_tensor w(digits, 1, static_cast<dim_t>(codes.size()), 64);
        std::copy(codes.begin(), codes.end(), w.codes());
        std::fill_n(w.scales(), w.blocks(), std::uint8_t{3});
        for (int kept = 1; kept <= digits; ++kept) {
            const auto coarse = truncate_locked(w, kept);
            std::vector<std::int8_t> leading(codes.size());
            fuse_locked(std::span(planes).first(codes.size() * static_cast<std::size_t>(kept)), kept, leading);
            REQUIRE(std::equal(leading.begin(), leading.end(), coarse.codes()));
            REQUIRE(coarse.factor() == static_cast<double>(detail::power_of_three(digits - kept)));
            for (dim_t i = 0; i < coarse.cols(); ++i)
                REQUIRE(std::abs(coarse.value(0, i) - w.value(0, i)) <= 3 * (coarse.factor() - 1) / 2);
        }
    }
}

TEST_CASE("residual quantizers refuse what does not fit", "[unit]") {
    std::vector<float> w(12, 1.0F);
    REQUIRE_THROWS_AS(quantize_residual(w, 3, 5), shape_error);
    REQUIRE_THROWS_AS(quantize_residual(w, -3, -4), shape_error);
    REQUIRE_THROWS_AS(quantize_residual(w, 3, 4, {.planes = 0}), shape_error);
    REQUIRE_THROWS_AS(quantize_residual(w, 3, 4, {.planes = 1, .block = 0}), shape_error);
    REQUIRE_THROWS_AS(quantize_locked(w, 3, 4, {.digits = 0}), value_error);
    REQUIRE_THROWS_AS(quantize_locked(w, 3, 4, {.digits = 6}), value_error);
    REQUIRE_THROWS_AS(quantize_residual(w, std::numeric_limits<dim_t>::max(), 4), shape_error);
    REQUIRE_THROWS_AS(truncate_locked(quantize_locked(w, 3, 4), 3), value_error);
    w[7] = std::numeric_limits<float>::quiet_NaN();
    try {
        quantize_locked(w, 3, 4, {}, "stage2.conv1");
        FAIL("no exception");
    } catch (const value_error& e) {
        const std::string text = e.what();
        REQUIRE(text.find("stage2.conv1: element 7") != std::string::npos);
    }
    std::vector<std::int8_t> codes{1, 5}, planes(4, std::int8_t{9});
    REQUIRE_THROWS_AS(split_locked(codes, 2, planes), value_error);
    REQUIRE_THROWS_AS(split_locked(codes, 3, planes), shape_error);
    REQUIRE_THROWS_AS(fuse_locked(planes, 2, codes), value_error);
    REQUIRE(planes == std::vector<std::int8_t>(4, std::int8_t{9}));
    REQUIRE(codes == std::vector<std::int8_t>{1, 5});
}

} // namespace intaglio
