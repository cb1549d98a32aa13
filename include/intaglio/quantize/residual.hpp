// SPDX-License-Identifier: Apache-2.0
#pragma once

// From real weights to sums of ternary planes, without data and without retraining. Two codings of the same idea;
// blocks run along the reduction.
//
// Greedy (Kundu et al., arXiv 1707.04679): plane r is the best ternary approximation of what the planes before it left,
//
//   R_0 = w,   (a_r, t_r) = ternary(R_(r-1)),   R_r = R_(r-1) - a_r t_r,   w ~ sum of a_r t_r
//
// so each plane is the best that its predecessors allow, and leaves at most 1 - 1/H_N of the squared error (H_N = 1 +
// 1/2 + ... + 1/N).
//
// Locked: one scale s per block, and the digits of the integer nearest to w / s in balanced ternary as the planes,
// whose scales are then 3^(D-1) s .. s. Codes of D digits are -(3^D - 1)/2 .. (3^D - 1)/2 and cost one pass of the
// kernel. The error is much smaller than greedy's (Gaussian weights, blocks of 64: 0.026 against 0.038 with two planes,
// 0.0030 against 0.0128 with three), the first plane alone is a little worse.
//
// Scales are stored in 8 bits: a = factor * q with one factor for the tensor, chosen so that the largest scale is q =
// 255, or less if asked for. Codes are chosen after their scale was rounded, so that rounding a scale costs little; a
// block whose weights are some 500 times below the largest block's rounds to q = 0 and vanishes. Rows of very different
// size belong into the epilogue's scale per column, not in here.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/quantize/dfp.hpp"
#include "intaglio/quantize/scale_search.hpp"
#include "intaglio/quantize/sum_zero.hpp"
#include "intaglio/quantize/ternary.hpp"
#include "intaglio/tensor/footprint.hpp"
#include "intaglio/tensor/ternary_tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct residual_options {
    dim_t planes = 2;
    dim_t block = 64;        ///< weights that share a scale, along a row
    bool sum_zero = false;   ///< let the errors of a block cancel (quantize/sum_zero.hpp); acts on the last plane
    int largest_scale = 255; ///< q of the largest scale, 1 .. 255; see foldable_scale
};

struct locked_options {
    int digits = 2;          ///< 1 .. 5
    dim_t block = 64;        ///< weights that share a scale, along a row
    bool sum_zero = true;    ///< let the errors of a block cancel (quantize/sum_zero.hpp)
    int largest_scale = 255; ///< q of the largest scale, 1 .. 255; see foldable_scale
};

/// A largest scale with which a product may fold the scales into the digits where bytes are as fast as trits: sums of
/// planes of scale * digit then stay within a signed byte. Up to three greedy planes (scales fall by half and more from
/// plane to plane) and two locked digits keep enough steps; more digits do not.
constexpr int foldable_scale(bool locked, dim_t planes) noexcept {
    if (locked)
        return planes <= 2 ? static_cast<int>(127 / ((detail::power_of_three(static_cast<int>(planes)) - 1) / 2)) : 255;
    return planes == 1 ? 127 : 72;
}

namespace detail {
/// Throws unless `weights` is a finite matrix of rows x cols.
inline void check_weights(std::span<const float> weights, dim_t rows, dim_t cols, dim_t block, std::string_view name,
                          executor_ref exec) {
    check_blocks(rows, cols, block);
    require(static_cast<dim_t>(weights.size()) == checked_product({rows, cols}), name, ": a matrix of ", rows, " x ",
            cols, " has ", rows * cols, " weights, got ", weights.size());
    largest_magnitude(weights, name, exec);
}

/// What one worker needs for a block.
struct block_scratch {
    std::vector<double> rest;     // the part of the weights that is not approximated yet
    std::vector<double> in_steps; // the same, in units of a scale
    std::vector<dim_t> order;
    std::vector<std::int8_t> trits;
    ternary_solver solver;

    void load(const float* weights, dim_t count) {
        rest.resize(static_cast<std::size_t>(count));
        in_steps.resize(static_cast<std::size_t>(count));
        trits.resize(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = static_cast<double>(weights[i]);
    }
    double largest() const noexcept {
        double m = 0;
        for (const double x : rest) m = std::max(m, std::abs(x));
        return m;
    }
};

/// f(row, b, first column, count, scratch) for all blocks, rows in parallel.
template <class F>
void for_each_block(dim_t rows, dim_t cols, dim_t block, executor_ref exec, const F& f) {
    std::vector<block_scratch> scratch(static_cast<std::size_t>(exec.concurrency()));
    exec.for_each(rows, [&](dim_t row, int worker) {
        for (dim_t b = 0; b * block < cols; ++b)
            f(row, b, b * block, std::min(block, cols - b * block), scratch[static_cast<std::size_t>(worker)]);
    });
}

/// One greedy plane of a block: the scale q of the best trits for what is left, and the best trits for q * factor,
/// which are taken off it. 0, and zeros, where the scale is too small for the factor.
inline std::uint8_t take_plane(block_scratch& scratch, double factor, int largest_scale, std::span<std::int8_t> trits) {
    const double a = scratch.solver.solve(scratch.rest, trits).scale;
    const auto q = static_cast<std::uint8_t>(std::min(std::nearbyint(a / factor), static_cast<double>(largest_scale)));
    if (q == 0) std::fill(trits.begin(), trits.end(), std::int8_t{0});
    const double s = q * factor;
    for (std::size_t i = 0; q > 0 && i < trits.size(); ++i) {
        scratch.in_steps[i] = scratch.rest[i] / s;
        trits[i] = static_cast<std::int8_t>(nearest_code(scratch.in_steps[i], 1.0));
        scratch.rest[i] -= s * trits[i];
    }
    return q;
}

/// The q in 1 .. largest_scale for which codes in -limit .. limit in steps of q * factor leave least of a block, near
/// its real scale; 0 where that is too small for the factor. The error is not smooth in the scale, so the neighbours of
/// the rounded one are tried as well.
inline dim_t integer_scale(std::span<const double> w, double scale, double factor, int largest_scale,
                           int limit) noexcept {
    const auto ideal = static_cast<dim_t>(std::min(std::nearbyint(scale / factor), static_cast<double>(largest_scale)));
    if (ideal == 0) return 0;
    const dim_t reach = std::max<dim_t>(1, ideal / 16);
    dim_t best = ideal;
    double least = error_of_scale(w, static_cast<double>(best) * factor, limit);
    for (dim_t q = std::max<dim_t>(1, ideal - reach); q <= std::min<dim_t>(largest_scale, ideal + reach); ++q) {
        const double e = error_of_scale(w, static_cast<double>(q) * factor, limit);
        if (e < least) {
            least = e;
            best = q;
        }
    }
    return best;
}

/// The factor that makes the largest of `scales` q = largest_scale; 1 if all are zero.
inline double factor_of(std::span<const double> scales, int largest_scale) {
    require<value_error>(largest_scale >= 1 && largest_scale <= 255, "quantize: the largest scale is asked to be ",
                         largest_scale, "; it has 8 bits, 1 to 255");
    double largest = 0;
    for (const double s : scales) largest = std::max(largest, s);
    return largest > 0 ? largest / largest_scale : 1.0;
}
} // namespace detail

/// Greedy planes of a row-major matrix of rows x cols (an output channel is a row). Throws shape_error or value_error
/// (NaN, infinity), with `name`. Planes do not depend on how many follow (unless sum_zero is asked for): the first L
/// planes are what a call with planes = L gives.
inline ternary_tensor quantize_residual(std::span<const float> weights, dim_t rows, dim_t cols,
                                        const residual_options& options = {}, std::string_view name = "weights",
                                        executor_ref exec = {}) {
    const float_environment scope;
    detail::check_weights(weights, rows, cols, options.block, name, exec);
    ternary_tensor out(options.planes, rows, cols, options.block);

    // The largest scale over all planes that could ever follow, from planes with real scales: an outlier among equal
    // weights gets its scale late.
    std::vector<double> largest(static_cast<std::size_t>(rows), 0.0);
    detail::for_each_block(rows, cols, options.block, exec,
                           [&](dim_t row, dim_t, dim_t first, dim_t count, detail::block_scratch& scratch) {
                               scratch.load(weights.data() + row * cols + first, count);
                               double& mine = largest[static_cast<std::size_t>(row)];
                               while (scratch.largest() >
                                      mine) { // no scale is larger than the largest rest, which falls with each plane
                                   const double a = scratch.solver.solve(scratch.rest, scratch.trits).scale;
                                   mine = std::max(mine, a);
                                   for (std::size_t i = 0; i < scratch.rest.size(); ++i)
                                       scratch.rest[i] -= a * scratch.trits[i];
                               }
                           });
    const double factor = detail::factor_of(largest, options.largest_scale);
    out.set_factor(factor);

    detail::for_each_block(rows, cols, options.block, exec,
                           [&](dim_t row, dim_t b, dim_t first, dim_t count, detail::block_scratch& scratch) {
                               scratch.load(weights.data() + row * cols + first, count);
                               for (dim_t p = 0; p < options.planes; ++p) {
                                   std::int8_t* trits = out.trits(p, row) + first;
                                   const std::span block(trits, scratch.rest.size());
                                   const std::uint8_t q =
                                       detail::take_plane(scratch, factor, options.largest_scale, block);
                                   out.scale(p, row, b) = q;
                                   if (q > 0 && options.sum_zero && p == options.planes - 1)
                                       round_to_sum_zero(scratch.in_steps, block, 1, scratch.order);
                               }
                           });
    return out;
}

/// Locked digits of a row-major matrix of rows x cols (an output channel is a row). Throws shape_error or value_error
/// (NaN, infinity), with `name`.
inline locked_tensor quantize_locked(std::span<const float> weights, dim_t rows, dim_t cols,
                                     const locked_options& options = {}, std::string_view name = "weights",
                                     executor_ref exec = {}) {
    const float_environment scope;
    detail::check_weights(weights, rows, cols, options.block, name, exec);
    locked_tensor out(options.digits, rows, cols, options.block);
    const dim_t blocks = out.blocks();
    const auto limit = static_cast<int>((detail::power_of_three(options.digits) - 1) / 2);

    std::vector<double> scales(static_cast<std::size_t>(checked_product({rows, blocks})));
    detail::for_each_block(rows, cols, options.block, exec,
                           [&](dim_t row, dim_t b, dim_t first, dim_t count, detail::block_scratch& scratch) {
                               scratch.load(weights.data() + row * cols + first, count);
                               scales[static_cast<std::size_t>(row * blocks + b)] =
                                   options.digits == 1 ? scratch.solver.solve(scratch.rest, scratch.trits).scale
                                                       : detail::best_scale(scratch.rest, limit);
                           });
    const double factor = detail::factor_of(scales, options.largest_scale);
    out.set_factor(factor);

    detail::for_each_block(
        rows, cols, options.block, exec,
        [&](dim_t row, dim_t b, dim_t first, dim_t count, detail::block_scratch& scratch) {
            scratch.load(weights.data() + row * cols + first, count);
            const dim_t best = detail::integer_scale(scratch.rest, scales[static_cast<std::size_t>(row * blocks + b)],
                                                     factor, options.largest_scale, limit);
            if (best == 0) return; // all zero, or too small for the factor
            out.scale(row, b) = static_cast<std::uint8_t>(best);
            std::int8_t* codes = out.codes(row) + first;
            for (std::size_t i = 0; i < scratch.rest.size(); ++i) {
                scratch.in_steps[i] = scratch.rest[i] / (static_cast<double>(best) * factor);
                codes[i] = static_cast<std::int8_t>(detail::nearest_code(scratch.in_steps[i], limit));
            }
            if (options.sum_zero)
                round_to_sum_zero(scratch.in_steps, std::span(codes, scratch.rest.size()), limit, scratch.order);
        });
    return out;
}

/// The trits of codes, most significant plane first: codes[i] = sum over p of 3^(digits-1-p) * planes[p * codes.size()
/// + i]. Throws shape_error if `planes` does not hold digits * codes.size() trits, value_error for a code beyond
/// (3^digits - 1) / 2.
inline void split_locked(std::span<const std::int8_t> codes, int digits, std::span<std::int8_t> planes) {
    require<value_error>(digits >= 1 && digits <= locked_tensor::max_digits, "locked codes: ", digits,
                         " digits; a signed byte holds 1 to ", locked_tensor::max_digits);
    require(planes.size() == codes.size() * static_cast<std::size_t>(digits), "locked codes: ", codes.size(),
            " codes of ", digits, " digits, room for ", planes.size(), " trits");
    detail::require_apart("locked codes", "the codes", codes, planes);
    const auto limit = static_cast<int>((detail::power_of_three(digits) - 1) / 2);
    for (std::size_t i = 0; i < codes.size(); ++i)
        require<value_error>(codes[i] >= -limit && codes[i] <= limit, "locked codes: element ", i, " is ",
                             int{codes[i]}, ", beyond ", limit);
    for (std::size_t i = 0; i < codes.size(); ++i) {
        int rest = codes[i];
        for (int p = digits - 1; p >= 0; --p) {
            const int trit = ((rest % 3) + 4) % 3 - 1; // rest mod 3, in -1 .. 1
            planes[static_cast<std::size_t>(p) * codes.size() + i] = static_cast<std::int8_t>(trit);
            rest = (rest - trit) / 3;
        }
    }
}

/// The inverse of split_locked. Throws shape_error if the sizes differ, value_error for a digit outside -1 .. 1.
inline void fuse_locked(std::span<const std::int8_t> planes, int digits, std::span<std::int8_t> codes) {
    require<value_error>(digits >= 1 && digits <= locked_tensor::max_digits, "locked codes: ", digits,
                         " digits; a signed byte holds 1 to ", locked_tensor::max_digits);
    require(planes.size() == codes.size() * static_cast<std::size_t>(digits), "locked codes: ", planes.size(),
            " trits for ", codes.size(), " codes of ", digits, " digits");
    detail::require_apart("locked codes", "the trits", planes, codes);
    for (std::size_t i = 0; i < planes.size(); ++i)
        require<value_error>(planes[i] >= -1 && planes[i] <= 1, "locked codes: trit ", i, " is ", int{planes[i]});
    for (std::size_t i = 0; i < codes.size(); ++i) {
        int code = 0;
        for (std::size_t p = 0; p < static_cast<std::size_t>(digits); ++p)
            code = 3 * code + planes[p * codes.size() + i];
        codes[i] = static_cast<std::int8_t>(code);
    }
}

/// The dial: the first `digits` digits of each code, scales as they are, the factor 3 times larger for each digit left
/// out. Dropping a balanced digit is rounding to the nearest multiple of three. Throws value_error unless 1 <= digits
/// <= w.digits().
inline locked_tensor truncate_locked(const locked_tensor& w, int digits) {
    const float_environment scope;
    require<value_error>(digits >= 1 && digits <= w.digits(), "locked tensor: ", digits, " digits of ", w.digits());
    locked_tensor out(digits, w.rows(), w.cols(), w.block());
    const auto unit = static_cast<int>(detail::power_of_three(w.digits() - digits));
    for (dim_t i = 0; i < w.rows() * w.cols(); ++i) {
        const int code = w.codes()[i];
        // unit is odd: no ties
        out.codes()[i] = static_cast<std::int8_t>((code + (code > 0 ? unit / 2 : -(unit / 2))) / unit);
    }
    std::copy_n(w.scales(), w.rows() * w.blocks(), out.scales());
    out.set_factor(w.factor() * unit);
    return out;
}

} // namespace intaglio::inline INTAGLIO_ABI
