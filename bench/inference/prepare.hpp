// SPDX-License-Identifier: Apache-2.0
#pragma once

// The first half of the benchmark of inference: networks are converted, their files are written for the second half
// (server.hpp), and what does not depend on time is measured: size, multiplications, accuracy.

#include <string>

#include <nlohmann/json.hpp>

#include "inference/networks.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/nn/parameters.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Where things are, and how much is measured.
struct inference_places {
    std::string models, data, out; ///< weights; folders of images; written files
    bool quick = false;
};

/// Weights of the file, or random ones; `trained` says which.
nn::parameters weights_of(const inference_network& network, const inference_places& places, bool& trained,
                          executor_ref exec);

/// The file of a network in a coding.
std::string model_path(const inference_network& network, const inference_coding& coding,
                       const inference_places& places);

/// The weights of a network's first coding, 8-8, without entropy coding, for peers (plain_weights.hpp).
std::string plain_path(const inference_network& network, const inference_places& places);

/// Converts a network in all its codings; one object for each level of each. Says on stderr what it did, and for how
/// long.
nlohmann::ordered_json prepare(const inference_network& network, const inference_places& places, executor_ref exec);

} // namespace intaglio::inline INTAGLIO_ABI
