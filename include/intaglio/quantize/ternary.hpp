// SPDX-License-Identifier: Apache-2.0
#pragma once

// The best ternary block. For N real weights w, find a >= 0 and t in {-1, 0, +1}^N that minimise ||w - a t||^2.
//
//   Given where t is not zero (the support I, k = |I|), the best signs are those of w and the best a is the mean
//   magnitude S / k with S = sum over I of |w_i|; the error is then ||w||^2 - S^2 / k. For a given k the largest S
//   takes the k largest magnitudes. So
//
//     sort |w| descending, prefix sums S_k,   k* = argmax S_k^2 / k,   a = S_k* / k*,
//     t_i = sign(w_i) for the k* largest, else 0
//
// is exact: 3^N patterns become N candidates (docs/numerics.md has the proof, the tests try all 3^N). At the optimum
// the support is exactly {|w_i| > a / 2}, so it never splits equal magnitudes. The smaller k wins a tie: more zeros.
// Sums are in double. A block of zeros gives a = 0.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// A solved block.
struct ternary_block {
    double scale = 0;   ///< a, >= 0
    dim_t nonzeros = 0; ///< k*
    double error = 0;   ///< ||w - a t||^2
};

/// The solver, with the memory that it sorts in: use one for many blocks. Not shared between threads.
class ternary_solver {
public:
    /// Writes trits[i] for each w[i], all finite; none is a block of zeros. Throws shape_error if the lengths differ.
    ternary_block solve(std::span<const double> w, std::span<std::int8_t> trits) {
        const float_environment scope;
        require(w.size() == trits.size(), "ternary block: ", w.size(), " weights, room for ", trits.size(), " trits");
        magnitudes_.assign(w.size(), 0.0);
        std::transform(w.begin(), w.end(), magnitudes_.begin(), [](double x) { return std::abs(x); });
        std::sort(magnitudes_.begin(), magnitudes_.end(), std::greater<>());

        double sum = 0, best = 0, threshold = 0;
        for (std::size_t k = 0; k < magnitudes_.size() && magnitudes_[k] > 0; ++k) {
            sum += magnitudes_[k];
            const double gain = sum * sum / static_cast<double>(k + 1);
            if (gain > best) {
                best = gain;
                threshold = magnitudes_[k];
            }
        }

        ternary_block block;
        double kept = 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            const bool nonzero = threshold > 0 && std::abs(w[i]) >= threshold;
            trits[i] = static_cast<std::int8_t>(nonzero ? (w[i] > 0 ? 1 : -1) : 0);
            kept += nonzero ? std::abs(w[i]) : 0.0;
            block.nonzeros += nonzero ? 1 : 0;
        }
        block.scale = block.nonzeros > 0 ? kept / static_cast<double>(block.nonzeros) : 0.0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            const double rest = w[i] - block.scale * trits[i];
            block.error += rest * rest;
        }
        return block;
    }

private:
    std::vector<double> magnitudes_;
};

/// One block. Throws shape_error if the lengths differ.
inline ternary_block ternarize_block(std::span<const double> w, std::span<std::int8_t> trits) {
    return ternary_solver().solve(w, trits);
}

} // namespace intaglio::inline INTAGLIO_ABI
