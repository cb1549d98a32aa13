// SPDX-License-Identifier: Apache-2.0
#pragma once

// How long a network takes for an image, for the quickstart's tables.

#include <algorithm>
#include <chrono>

#include "intaglio/core/config.hpp"

namespace quickstart {

/// The average time of one image in milliseconds: best of seven runs of `run` over all `images`, after one to warm up.
template <class Run>
double milliseconds_per_image(intaglio::dim_t images, const Run& run) {
    run();
    double best = 1e30;
    for (int i = 0; i < 7; ++i) {
        const auto start = std::chrono::steady_clock::now();
        run();
        best =
            std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    return best / static_cast<double>(images);
}

} // namespace quickstart
