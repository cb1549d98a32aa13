// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tests a model on images that it is not trained on.

#include <functional>
#include <optional>

#include "model.hpp"
#include "session.hpp"

namespace training {

/// The score on all images, in their order; none where `stop` said so meanwhile. `told`: images done, of how many.
std::optional<intaglio::train::score> test(model& m, const session& s, const std::function<bool()>& stop,
                                           const std::function<void(dim_t, dim_t)>& told);

} // namespace training
