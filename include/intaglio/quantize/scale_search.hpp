// SPDX-License-Identifier: Apache-2.0
#pragma once

// The scale of a block of integers. For weights w and codes in -limit .. limit, the error of a scale s is
//
//   E(s) = sum of (w_i - s c_i)^2,   c_i = saturate(nearest_even(w_i / s))
//
// E has many local minima in s. Two steps find a good one: a geometric grid from "half of the largest magnitude
// saturates" up to "the largest magnitude takes code 1 or 2", then alternating between the best codes for s and the
// least-squares s for the codes, which never increases E.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// nearest_even(x) saturated to -limit .. limit, as a double: vector code, for limit < 2^51.
inline double nearest_code(double x, double limit) noexcept {
    const double clamped = x > -limit ? (x < limit ? x : limit) : -limit;
    return (clamped + 0x1.8p52) - 0x1.8p52;
}

/// E(s), s > 0.
inline double error_of_scale(std::span<const double> w, double s, double limit) noexcept {
    const double inverse = 1 / s;
    double lanes[4] = {0, 0, 0, 0}; // a fixed order of summation that vector code can keep
    const std::size_t fours = w.size() / 4;
    for (std::size_t i = 0; i < fours; ++i) {
        const double* x = w.data() + 4 * i;
        for (std::size_t j = 0; j < 4; ++j) {
            const double rest = x[j] - s * nearest_code(x[j] * inverse, limit);
            lanes[j] += rest * rest;
        }
    }
    for (const double x : w.subspan(4 * fours)) {
        const double rest = x - s * nearest_code(x * inverse, limit);
        lanes[0] += rest * rest;
    }
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/// A scale of least error for codes in -limit .. limit, 0 for a block of zeros.
inline double best_scale(std::span<const double> w, double limit) noexcept {
    double largest = 0;
    for (const double x : w) largest = std::max(largest, std::abs(x));
    if (largest == 0) return 0;

    constexpr int candidates = 48;
    const double low = 0.4 * largest / limit, high = std::min(largest, 3 * largest / limit);
    const double step = std::pow(high / low, 1.0 / (candidates - 1));
    double best = largest / limit, least = error_of_scale(w, best, limit);
    double s = low;
    for (int i = 0; i < candidates; ++i, s *= step) {
        const double e = error_of_scale(w, s, limit);
        if (e < least) {
            least = e;
            best = s;
        }
    }
    for (int i = 0; i < 3; ++i) {
        double products = 0, squares = 0;
        for (const double x : w) {
            const double c = nearest_code(x / best, limit);
            products += x * c;
            squares += c * c;
        }
        if (squares == 0) break;
        const double refit = products / squares;
        const double e = refit > 0 ? error_of_scale(w, refit, limit) : least;
        if (!(e < least)) break;
        least = e;
        best = refit;
    }
    return best;
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
