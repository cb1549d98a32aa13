// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a training carries from one step to the next: with it, the network, the options and the data a training goes on
// with the same bits. trainer.hpp gives and takes it, io/training_checkpoint.hpp keeps it in a file.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/parameters.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

struct training_state {
    nn::parameters parameters;             ///< running statistics included
    std::vector<tensor<float>> velocities; ///< of the update, in the order of the parameters; empty if not trained
    std::vector<std::int32_t> exponents;   ///< of plan::exponents()
    dim_t step = 0;                        ///< steps that were done
};

/// The name of the first tensor that has a NaN or an infinity, empty if there is none.
inline std::string first_not_finite(const nn::parameters& parameters) {
    for (std::size_t i = 0; i < parameters.count(); ++i)
        if (!std::all_of(parameters[i].begin(), parameters[i].end(), [](float v) { return std::isfinite(v); }))
            return parameters.spec(i).name;
    return {};
}

} // namespace intaglio::inline INTAGLIO_ABI::train
