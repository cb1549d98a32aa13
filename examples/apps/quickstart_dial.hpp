// SPDX-License-Identifier: Apache-2.0
#pragma once

// The inference half of the quickstart: a trained network becomes 8-bit activations and coded weights without a single
// image, is saved, loaded again, and what was loaded is measured on the test images, level by level.

#include <string>
#include <vector>

#include "intaglio/core/parallel.hpp"
#include "intaglio/data/digits.hpp"
#include "intaglio/nn/parameters.hpp"

namespace quickstart {

/// One row of the table over the dial. Ratios above 1 mean smaller and fewer.
struct level {
    std::string name;
    double planes = 0;                 ///< trits per weight; 0 for 8-bit weights
    double bits_per_weight = 0;        ///< entropy-coded in the file, block scales included
    double size_vs_8_8 = 0;            ///< of the whole file
    double multiplications_vs_8_8 = 0; ///< of one image
    double test_accuracy = 0;          ///< 0 .. 1
    double ms_per_image = 0;           ///< all test images as one batch, best of seven runs
};

/// Codes the network for digits with these parameters, writes <prefix><name>.safetensors for each model, loads it and
/// measures every level of its dial.
std::vector<level> measure_dial(const intaglio::nn::parameters& parameters, const intaglio::data::digits& test,
                                const std::string& prefix, intaglio::executor_ref exec);

} // namespace quickstart
