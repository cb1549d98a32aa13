// SPDX-License-Identifier: Apache-2.0
#pragma once

// Coding with error feedback: what rounding one weight gets wrong is made up for by the weights that are coded after
// it, as far as their inputs go together (the column order and update of OBQ and GPTQ, here in the equal form of QuIP's
// LDLQ). With the second moments H of the inputs, an error e of a row of weights costs e^T H e. Factor H, its columns
// ordered by falling diagonal, as
//
//   H + damping I = U D U^T,   U upper triangular with ones on its diagonal, D diagonal:
//   e^T H e = sum over k of D_k (e_k + sum over j < k of U(j, k) e_j)^2
//
// so the best that column k can do after columns 0 .. k - 1 is to round w_k + sum over j < k of U(j, k) e_j, where e_j
// = w_j - step code_j. All in FP32 by the library's kernels, but for blocks on the diagonal, in double.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/gemm.hpp"
#include "intaglio/numeric/rounding.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// U of H, and the order of its columns.
struct feedback_factor {
    std::vector<dim_t> order; ///< order[k]: the column that is coded as k-th
    buffer<float> u;          ///< (K, K), in that order; below the diagonal undefined

    dim_t size() const { return static_cast<dim_t>(order.size()); }
};

namespace detail {

inline constexpr dim_t factor_block = 64;

/// The lower Cholesky factor of a symmetric matrix whose lower triangle is in `a` (n, n), in place, column block after
/// column block.
inline void cholesky(float* a, dim_t n, executor_ref exec) {
    std::vector<double> diagonal(static_cast<std::size_t>(factor_block * factor_block));
    for (dim_t c = 0; c < n; c += factor_block) {
        const dim_t width = std::min(factor_block, n - c);
        if (c > 0) { // minus what the columns before explain
            std::vector<float> negative(static_cast<std::size_t>(width * c));
            for (dim_t j = 0; j < width; ++j)
                for (dim_t k = 0; k < c; ++k) negative[static_cast<std::size_t>(j * c + k)] = -a[(c + j) * n + k];
            const matrix_view<float> out(a + c * n + c, n - c, width, n);
            // lhs and output are columns apart of the same rows, which no footprint tells: a copy of lhs
            std::vector<float> left(static_cast<std::size_t>((n - c) * c));
            for (dim_t i = 0; i < n - c; ++i) std::copy_n(a + (c + i) * n, c, left.data() + i * c);
            gemm<fp32>(lhs_view<fp32>{.values = {left.data(), n - c, c}},
                       rhs_view<fp32>{.values = matrix_view<const float>(negative.data(), width, c).transposed()}, out,
                       epilogue{intaglio::add{out}}, exec);
        }
        const auto d = [&](dim_t i, dim_t j) -> double& { return diagonal[static_cast<std::size_t>(i * width + j)]; };
        for (dim_t i = 0; i < width; ++i)
            for (dim_t j = 0; j <= i; ++j) {
                double v = static_cast<double>(a[(c + i) * n + c + j]);
                for (dim_t k = 0; k < j; ++k) v -= d(i, k) * d(j, k);
                // rounding may leave nothing of a column that the others explain
                d(i, j) =
                    i == j
                        ? std::sqrt(std::max(v, 1e-7 * std::fabs(static_cast<double>(a[(c + i) * n + c + i])) + 1e-30))
                        : v / d(j, j);
                a[(c + i) * n + c + j] = static_cast<float>(d(i, j));
            }
        const dim_t first = c + width, rows = n - first;
        constexpr dim_t rows_each = 64;
        exec.for_each((rows + rows_each - 1) / rows_each, [&](dim_t part, int) {
            for (dim_t i = first + part * rows_each; i < std::min(first + (part + 1) * rows_each, n); ++i) {
                float* const row = a + i * n + c;
                for (dim_t j = 0; j < width; ++j) {
                    double v = static_cast<double>(row[j]);
                    for (dim_t k = 0; k < j; ++k) v -= static_cast<double>(row[k]) * d(j, k);
                    row[j] = static_cast<float>(v / d(j, j));
                }
            }
        });
    }
}

} // namespace detail

/// Factors second moments, of which the upper triangle is given, (size, size); `damping`: of the mean of the diagonal.
inline feedback_factor factor_moments(const float* second, dim_t size, double damping = 0.01, executor_ref exec = {}) {
    const float_environment scope;
    feedback_factor f;
    f.order.resize(static_cast<std::size_t>(size));
    std::iota(f.order.begin(), f.order.end(), dim_t{0});
    std::stable_sort(f.order.begin(), f.order.end(),
                     [&](dim_t a, dim_t b) { return second[a * size + a] > second[b * size + b]; });
    double sum = 0;
    for (dim_t k = 0; k < size; ++k) sum += static_cast<double>(second[k * size + k]);
    const double mean = size > 0 && sum > 0 ? sum / static_cast<double>(size) : 1;
    // U D U^T is a Cholesky factor that begins at the last column: reversed in rows and columns it is the usual one
    buffer<float> a(size * size, uninitialized);
    const auto column = [&](dim_t i) { return f.order[static_cast<std::size_t>(size - 1 - i)]; };
    for (dim_t i = 0; i < size; ++i)
        for (dim_t j = 0; j <= i; ++j) {
            const dim_t r = column(i), c = column(j);
            a[i * size + j] = second[std::min(r, c) * size + std::max(r, c)];
            if (i == j) a[i * size + j] += static_cast<float>(damping * mean);
        }
    detail::cholesky(a.data(), size, exec);
    f.u = buffer<float>(size * size, uninitialized);
    for (dim_t j = 0; j < size; ++j)
        for (dim_t k = j; k < size; ++k)
            f.u[j * size + k] = a[(size - 1 - j) * size + size - 1 - k] / a[(size - 1 - k) * size + size - 1 - k];
    return f;
}

/// Codes `rows` rows of weights (rows, K) in steps[row], largest magnitude `most`: codes (rows, K). Without a factor
/// each weight is rounded by itself.
inline void code_rows(const float* weights, dim_t rows, dim_t size, std::span<const float> steps, int most,
                      const feedback_factor* factor, std::int8_t* codes, executor_ref exec = {}) {
    const float_environment scope;
    const auto round = [most](float v, float step) {
        const auto limit = static_cast<float>(most);
        return std::clamp(round_float(std::clamp(v / step, -limit, limit)), -limit, limit);
    };
    if (!factor) {
        for (dim_t r = 0; r < rows; ++r)
            for (dim_t k = 0; k < size; ++k)
                codes[r * size + k] =
                    static_cast<std::int8_t>(round(weights[r * size + k], steps[static_cast<std::size_t>(r)]));
        return;
    }
    constexpr dim_t block = detail::factor_block;
    std::vector<float> errors(static_cast<std::size_t>(rows * size)), wanted(static_cast<std::size_t>(rows * block));
    for (dim_t c = 0; c < size; c += block) {
        const dim_t width = std::min(block, size - c);
        std::fill(wanted.begin(), wanted.end(), 0.0F);
        if (c > 0)
            gemm<fp32>(lhs_view<fp32>{.values = {errors.data(), rows, c, size}},
                       rhs_view<fp32>{.values = {factor->u.data() + c, c, width, size}},
                       matrix_view<float>(wanted.data(), rows, width, block), epilogue<>{}, exec);
        exec.for_each(rows, [&](dim_t r, int) {
            float* const v = wanted.data() + r * block;
            const float step = steps[static_cast<std::size_t>(r)];
            for (dim_t k = 0; k < width; ++k) {
                const dim_t column = factor->order[static_cast<std::size_t>(c + k)];
                const float w = weights[r * size + column], code = round(w + v[k], step), e = w - step * code;
                codes[r * size + column] = static_cast<std::int8_t>(code);
                errors[static_cast<std::size_t>(r * size + c + k)] = e;
                const float* const u = factor->u.data() + (c + k) * size + c;
                for (dim_t j = k + 1; j < width; ++j) v[j] += e * u[j];
            }
        });
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
