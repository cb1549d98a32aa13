// SPDX-License-Identifier: Apache-2.0
#pragma once

// The images that networks of the benchmark answer: of a data set beside the source tree, or random ones.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/networks.hpp"
#include "intaglio/core/extents.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Test images as the network takes them, with their labels.
struct labelled_images {
    std::vector<float> images;
    std::vector<std::int32_t> labels;
};

/// The first `count` images of a data set in the folder `sets`, for a network that takes images of the shape `one`, or
/// as many as there are; nothing where it is missing.
std::optional<labelled_images> read_images(const inference_network& network, const std::string& sets,
                                           const extents& one, dim_t count, int threads);

/// From -2 to 2, as many as a batch of that shape has.
std::vector<float> random_images(const extents& shape);

} // namespace intaglio::inline INTAGLIO_ABI
