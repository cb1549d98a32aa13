// SPDX-License-Identifier: Apache-2.0
#pragma once

// The second half of the benchmark of inference: a network from the files that prepare.hpp wrote, at every level of
// every coding, our FP32, and oneDNN's u8 x s8 products, all on demand, so that compare.py can let them and the peers
// in other processes take turns. Orders come on standard input:
//
//   batch B    makes all works ready for batches of B images, and says what there is, as a line of JSON:
//              {"rows": [{"network", "level", "coding", "batch", "threads", "arch", "timed_as", "work"}, ..],
//               "works": N, "fp32": W, "peer": {"name", "work"} or null}
//   step W N   is answered by the seconds that N runs of work W took
//
// and anything else ends it. Rows are the levels of each coding; those whose products all run on the same kernels share
// a work, that of `timed_as`. The peer is oneDNN layer by layer: products alone, nothing between them, FP32 outputs.

#include "inference/prepare.hpp"

namespace intaglio::inline INTAGLIO_ABI {

void serve(const inference_network& network, const inference_places& places, executor_ref exec);

} // namespace intaglio::inline INTAGLIO_ABI
