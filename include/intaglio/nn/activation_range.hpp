// SPDX-License-Identifier: Apache-2.0
#pragma once

// The range of activations, from batch-norm parameters alone: no data is needed. Before its ReLU the output of channel
// c has mean shift_c and standard deviation |scale_c| by construction. So the largest value worth representing in a
// tensor whose channels share one 8-bit scale is
//
//   range = max over c of  shift_c + z |scale_c|,      step = range / 255.
//
// z = 6 for three reasons: real channels have longer tails than the normal distribution's; a clipped value costs more
// than a coarser step, which at z = 6 is still |scale| / 42 or finer; and for any distribution at all the share beyond
// is at most 1 / (1 + z^2), 2.7 % (Cantelli).

#include <algorithm>
#include <cmath>
#include <span>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

inline constexpr float range_deviations = 6; ///< z above

/// The range for channels of these batch-norm scales and shifts; 1 where no channel is ever positive.
inline float activation_range(std::span<const float> scale, std::span<const float> shift,
                              float deviations = range_deviations) {
    return in_float_environment([&] {
        float range = 0;
        for (std::size_t c = 0; c < scale.size(); ++c)
            range = std::max(range, shift[c] + deviations * std::fabs(scale[c]));
        return range > 0 ? range : 1.0f;
    });
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
