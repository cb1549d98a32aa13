// SPDX-License-Identifier: Apache-2.0

// Weights as sums of ternary planes, and the dial: the same tensor multiplied with one, two or all three of its planes.
// Locked digits of the same number are closer and cost one plane's work.

#include <cmath>
#include <cstdio>
#include <vector>

#include "intaglio/gemm/gemm.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/quantize/residual.hpp"

constexpr int inputs = 16, channels = 32, depth = 576;

/// 16 inputs by the weights of policy P; the root of the mean squared difference to the product with the floats,
/// relative to its size.
template <class P>
double relative_error(const std::vector<std::uint8_t>& x, const intaglio::rhs_view<P>& weights,
                      const std::vector<double>& wanted) {
    std::vector<float> out(inputs * channels);
    intaglio::gemm<P>({intaglio::matrix_view(x.data(), inputs, depth)}, weights,
                      intaglio::matrix_view(out.data(), inputs, channels));
    double error = 0, size = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        error += std::pow(static_cast<double>(out[i]) - wanted[i], 2);
        size += wanted[i] * wanted[i];
    }
    return std::sqrt(error / size);
}

int main() {
    using namespace intaglio;
    std::vector<float> w(channels * depth);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = random_normal(7, 0, i);
    std::vector<std::uint8_t> x(inputs * depth);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(random_below(256, 7, 1, i));
    std::vector<double> wanted(inputs * channels);
    for (std::size_t i = 0; i < wanted.size(); ++i)
        for (std::size_t e = 0; e < depth; ++e)
            wanted[i] +=
                static_cast<double>(x[i / channels * depth + e]) * static_cast<double>(w[i % channels * depth + e]);

    const ternary_tensor planes = quantize_residual(w, channels, depth, {.planes = 3, .block = 64});
    const double one =
        relative_error<ternary8_inference<1>>(x, planes.as_rhs<rhs_view<ternary8_inference<1>>>(), wanted);
    const double two =
        relative_error<ternary8_inference<2>>(x, planes.as_rhs<rhs_view<ternary8_inference<2>>>(), wanted);
    const double all =
        relative_error<ternary8_inference<3>>(x, planes.as_rhs<rhs_view<ternary8_inference<3>>>(), wanted);
    const locked_tensor codes = quantize_locked(w, channels, depth, {.digits = 3, .block = 64});
    const double locked = relative_error<ternary8_locked<3>>(x, codes.as_rhs<rhs_view<ternary8_locked<3>>>(), wanted);
    std::printf("relative error with 1, 2, 3 planes: %.2f %.2f %.2f\n3 locked digits: %.2f\n", one, two, all, locked);
    return locked < all && all < two && two < one ? 0 : 1;
}

// Prints:
//   relative error with 1, 2, 3 planes: 0.44 0.20 0.09
//   3 locked digits: 0.03
