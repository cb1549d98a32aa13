// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the weights of a product become integers. One struct for all codings, so that budgets, dials and tables take any
// of them; encode.hpp reads it.
//
//   steps    one step for each output channel, codes as large as they come, errors fed back, finer planes for a dial;
//            a step of 0 is 8-8, the largest weight of a channel at code 127
//   greedy   ternary planes, each the best for what those before it left, with a scale for each block of `block` inputs
//            (Kundu et al., arXiv 1707.04679)
//   locked   the digits of one code in balanced ternary, with one scale for each block
//   int4     codes -7 .. 7 with a scale for each block: what others call 4-bit weights
//
// Scales of blocks are integers, multiples of the channel's 8-8 step, such that scale times code stays a signed byte:
// all codings run on the 8-bit kernels with exact sums, for any length of block. The price is that scales are coarser
// than in 8 bits of their own, above all int4's (up to 18) and those of three locked digits (up to 9): both leave 13 %
// more of the squared error of normal weights than real scales do, greedy planes and two digits 0 to 4 %.

#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

enum class coding_family { steps, greedy, locked, int4 };

struct weight_coding {
    coding_family family = coding_family::steps;
    double step = 0;             ///< of steps: c, in root mean squares of a channel; 0: 8-8
    std::vector<int> divisors{}; ///< of steps: of the step, for each plane beyond the first
    bool feedback = true;        ///< of steps: of rounding errors
    bool correct_bias = true;    ///< by the mean error
    int planes = 1;              ///< of greedy, 1 .. 8, and locked, 1 .. 3
    dim_t block = 64;            ///< of the others: weights along a row that share a scale

    friend bool operator==(const weight_coding&, const weight_coding&) = default;
};

/// The most planes that a family can have.
constexpr int most_planes(coding_family family) {
    return family == coding_family::greedy ? 8 : family == coding_family::int4 ? 1 : 3;
}

/// Throws value_error for numbers that a coding can't have.
inline void check(const weight_coding& coding) {
    const bool steps = coding.family == coding_family::steps;
    require<value_error>(steps || (coding.planes >= 1 && coding.planes <= most_planes(coding.family)),
                         "encode: ", coding.planes, " planes; this coding has 1 to ", most_planes(coding.family));
    require<value_error>(steps || (coding.block >= 1 && coding.block <= 65535), "encode: blocks of ", coding.block,
                         " weights; 1 to 65535 can be");
}

/// "8-8", "step 0.7", "greedy 2/64": planes and length of a block.
inline std::string describe(const weight_coding& coding) {
    switch (coding.family) {
    case coding_family::greedy:
        return join("greedy ", coding.planes, "/", coding.block);
    case coding_family::locked:
        return join("locked ", coding.planes, "/", coding.block);
    case coding_family::int4:
        return join("int4 /", coding.block);
    default:
        return coding.step > 0 ? join("step ", coding.step) : "8-8";
    }
}

/// The relative squared error of a step of c root mean squares, if errors are spread evenly over a step.
constexpr double error_of_step(double c) { return c * c / 12; }

} // namespace intaglio::inline INTAGLIO_ABI::infer
