// SPDX-License-Identifier: Apache-2.0
#pragma once

// The same network in FP32 by our own plan, batch norms folded: what integers are compared with. One unit of its own,
// since it holds all passes of a plan.

#include <memory>
#include <span>

#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/fold.hpp"

namespace intaglio::inline INTAGLIO_ABI {

class fp32_inference {
public:
    virtual ~fp32_inference() = default;
    /// Logits of a batch of images; valid until the next run.
    virtual std::span<const float> run(std::span<const float> images) = 0;
    virtual void use(executor_ref exec) = 0;
};

/// Keeps a reference to `folded`.
std::unique_ptr<fp32_inference> make_fp32_inference(infer::folded_network& folded, dim_t batch);

} // namespace intaglio::inline INTAGLIO_ABI
