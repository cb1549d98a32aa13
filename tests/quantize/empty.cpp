// SPDX-License-Identifier: Apache-2.0

// Quantizers and what is computed from them, with every extent as zero in turn: nothing is read, nothing is divided by
// zero, and the results are empty.

#include "intaglio/quantize/blocks.hpp"
#include "intaglio/quantize/budget.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/quantize/int8.hpp"
#include "intaglio/quantize/residual.hpp"
#include "intaglio/quantize/sensitivity.hpp"
#include "intaglio/quantize/ternary.hpp"

#include <array>
#include <cstdint>
#include <vector>

#include "support/catch.hpp"

using namespace intaglio;

namespace {

constexpr std::array<std::array<intaglio::dim_t, 2>, 3> empty_matrices{{{0, 0}, {0, 70}, {70, 0}}};

} // namespace

TEST_CASE("weights of no rows or no columns are quantized to nothing", "[unit]") {
    for (const auto& [rows, cols] : empty_matrices) {
        INFO(rows << " x " << cols);
        const auto check = [&, rows = rows, cols = cols](const auto& coded) {
            CHECK(coded.rows() == rows);
            CHECK(coded.cols() == cols);
            CHECK(nmse({}, coded) == 0);
        };
        for (const bool sum_zero : {false, true}) {
            for (const intaglio::dim_t planes : {1, 3}) {
                check(quantize_residual({}, rows, cols, {.planes = planes, .sum_zero = sum_zero}));
                const auto locked =
                    quantize_locked({}, rows, cols, {.digits = static_cast<int>(planes), .sum_zero = sum_zero});
                check(locked);
                check(truncate_locked(locked, 1));
            }
            for (const intaglio::dim_t block : {0, 32})
                for (const scale_rule rule : {scale_rule::largest, scale_rule::least_error}) {
                    check(quantize_blocks<fixed<4>>({}, rows, cols, {block, rule, sum_zero}));
                    check(quantize_blocks<fixed<14>>({}, rows, cols, {block, rule, sum_zero}));
                }
        }
        check(quantize_int8_rows({}, rows, cols));
        for (const auto& profile :
             {profile_locked("none", {}, rows, cols, 0), profile_residual("none", {}, rows, cols, 0)})
            for (const plane_choice& choice : profile.choices) {
                CHECK(choice.cost == 0);
                CHECK(choice.nmse == 0);
            }
    }
}

TEST_CASE("tensors of no elements are quantized to nothing", "[unit]") {
    for (const extents& shape : {extents{0}, extents{0, 3}, extents{3, 0}, extents{2, 0, 4, 5}}) {
        const auto whole = quantize_dfp<fixed<16>>({}, shape);
        CHECK(whole.shape() == shape);
        CHECK(whole.exponent == 0);
        auto planar = quantize_dfp<planar_bytes>({}, shape);
        CHECK(planar.shape() == shape);
        requantize_dfp({}, shape, planar);
        CHECK(planar.shape() == shape);
        dequantize_dfp(planar, {});
        CHECK(count_losses({}, planar) == quantize_counts{});
    }
    CHECK(largest_magnitude({}) == 0);
    quantize_dfp({}, std::span<std::int16_t>{}, 0, {});
    CHECK(requantize_dfp({}, std::span<std::int16_t>{}, 3, {}) == 0);
    dequantize_dfp(std::span<const std::int16_t>{}, 0, {});
    quantize_linear<unsigned_fixed<8>>({}, {}, 1);
    split_locked({}, 3, {});
    fuse_locked({}, 3, {});
    CHECK(ternarize_block({}, {}).scale == 0);
}

TEST_CASE("a budget for no layers is kept by no planes", "[unit]") {
    for (const intaglio::dim_t budget : {0, 1000}) {
        const plane_plan plan = choose_planes({}, budget);
        CHECK(plan.choice.empty());
        CHECK(plan.cost == 0);
        CHECK(plan.perturbation == 0);
    }
    CHECK(perturbation_bound({}, {}) == 0);
    CHECK(cost_sum().total().bits_per_weight == 8);
}
