// SPDX-License-Identifier: Apache-2.0
#pragma once

// The second half of the benchmark of inference: whole networks from files that prepare.hpp wrote, every level of every
// coding beside FP32 and oneDNN's u8 x s8 products, which take turns.

#include <nlohmann/json.hpp>

#include "inference/prepare.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// For each level of each coding of a network: milliseconds for an image in batches of `batch`, of us, of our FP32, and
/// of oneDNN layer by layer where it is built in (products alone: nothing between them, FP32 outputs).
nlohmann::ordered_json time_network(const inference_network& network, const inference_places& places, dim_t batch,
                                    executor_ref exec);

} // namespace intaglio::inline INTAGLIO_ABI
