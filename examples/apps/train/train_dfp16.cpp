// SPDX-License-Identifier: Apache-2.0

// The only unit that instantiates plans of int16.

#include "model_of.hpp"

namespace training {

std::unique_ptr<model> make_dfp16_model(model_setup setup) {
    return std::make_unique<model_of<std::int16_t>>(std::move(setup));
}

} // namespace training
