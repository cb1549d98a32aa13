// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a coding of weights costs and loses, in the terms of the ternary residual paper (arXiv 1707.04679), against
// 8-bit weights and activations ("8-8"). With blocks of N weights, r planes on average and c bits per trit:
//
//   bits per weight   r (c + 8/N)     one 8-bit scale for each block of each plane;  locked digits share one: D c + 8/N
//   size              8 / bits per weight
//   multiplications   N / r           8-8 multiplies once for each weight and output, ternary planes once for each
//                                     block, plane and output
//
// With c = 2 and N = 64 this gives the paper's figures: r = 2.4 is 1.57x and 26.7x, r = 2 is 1.88x and 32x. Five trits
// fit a byte (3^5 = 243), so c = 1.6 is as real. "Multiplications" counts as the paper does: adding and subtracting
// activations is free of them. Locked digits are counted as D planes.

#include <concepts>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// How trits are stored.
enum class trit_coding { two_bits, five_per_byte };

constexpr double bits_per_trit(trit_coding coding) noexcept { return coding == trit_coding::two_bits ? 2.0 : 1.6; }

struct weight_cost {
    double planes = 0; ///< per weight, 0 where the word does not apply
    double bits_per_weight = 8;
    double size_vs_8_8 = 1;            ///< > 1: smaller
    double multiplications_vs_8_8 = 1; ///< > 1: fewer
};

/// Residual planes, `planes` of them on average over the weights, blocks of `block`.
constexpr weight_cost cost_of_planes(double planes, dim_t block, trit_coding coding = trit_coding::two_bits) noexcept {
    const double bits = planes * (bits_per_trit(coding) + 8.0 / static_cast<double>(block));
    return {planes, bits, 8 / bits, static_cast<double>(block) / planes};
}

/// Locked digits.
constexpr weight_cost cost_of_digits(int digits, dim_t block,
                                     trit_coding coding = trit_coding::five_per_byte) noexcept {
    const double bits = digits * bits_per_trit(coding) + 8.0 / static_cast<double>(block);
    return {static_cast<double>(digits), bits, 8 / bits, static_cast<double>(block) / digits};
}

/// Integers of `bits` bits with a scale of `scale_bits` bits for each block.
constexpr weight_cost cost_of_blocks(int bits, dim_t block, int scale_bits) noexcept {
    const double all = bits + static_cast<double>(scale_bits) / static_cast<double>(block);
    return {0, all, 8 / all, 1};
}

/// Several layers as one: costs weighed by the layers' numbers of weights (bits, size) and of multiply-adds
/// (multiplications).
class cost_sum {
public:
    void add(const weight_cost& cost, double weights, double macs) noexcept {
        planes_ += cost.planes * weights;
        bits_ += cost.bits_per_weight * weights;
        weights_ += weights;
        multiplications_ += macs / cost.multiplications_vs_8_8;
        macs_ += macs;
    }
    weight_cost total() const noexcept {
        if (weights_ <= 0) return {};
        return {planes_ / weights_, bits_ / weights_, 8 * weights_ / bits_,
                multiplications_ > 0 ? macs_ / multiplications_ : 1.0};
    }

private:
    double planes_ = 0, bits_ = 0, weights_ = 0, multiplications_ = 0, macs_ = 0;
};

/// A tensor of weights that says what it stands for: ternary_tensor, locked_tensor, block_tensor.
template <class T>
concept ApproximateWeights = requires(const T& w, dim_t i) {
    { w.rows() } -> std::convertible_to<dim_t>;
    { w.cols() } -> std::convertible_to<dim_t>;
    { w.value(i, i) } -> std::convertible_to<double>;
};

/// One that can also be taken at fewer planes: ternary_tensor.
template <class T>
concept PlaneWeights = ApproximateWeights<T> && requires(const T& w, dim_t i) {
    { w.value(i, i, i) } -> std::convertible_to<double>;
};

/// Normalised squared error ||w - approximation||^2 / ||w||^2, 0 for weights that are all zero, NaN where one is NaN;
/// `value(row, col)` is the approximation.
template <class Value>
double nmse_of(std::span<const float> weights, dim_t rows, dim_t cols, const Value& value) {
    require(static_cast<dim_t>(weights.size()) == rows * cols, "nmse: ", weights.size(),
            " weights, the approximation has ", rows, " x ", cols);
    return in_float_environment([&] {
        double error = 0, power = 0;
        for (dim_t row = 0; row < rows; ++row) {
            for (dim_t col = 0; col < cols; ++col) {
                const auto w = static_cast<double>(weights[static_cast<std::size_t>(row * cols + col)]);
                const double rest = w - value(row, col);
                error += rest * rest;
                power += w * w;
            }
        }
        return power == 0 ? 0.0 : error / power;
    });
}

template <ApproximateWeights T>
double nmse(std::span<const float> weights, const T& approximation) {
    return nmse_of(weights, approximation.rows(), approximation.cols(),
                   [&](dim_t row, dim_t col) { return approximation.value(row, col); });
}

/// The error of the first `planes` planes alone.
template <PlaneWeights T>
double nmse(std::span<const float> weights, const T& approximation, dim_t planes) {
    return nmse_of(weights, approximation.rows(), approximation.cols(),
                   [&](dim_t row, dim_t col) { return approximation.value(row, col, planes); });
}

} // namespace intaglio::inline INTAGLIO_ABI
