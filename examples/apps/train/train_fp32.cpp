// SPDX-License-Identifier: Apache-2.0

// The only unit that instantiates plans of floats.

#include "model_of.hpp"

namespace training {

std::unique_ptr<model> make_fp32_model(model_setup setup) {
    return std::make_unique<model_of<float>>(std::move(setup));
}

} // namespace training
