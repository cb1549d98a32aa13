// SPDX-License-Identifier: Apache-2.0
#pragma once

// The training itself: from its beginning or a checkpoint to its end, or to a signal.
//
//   each step       next batch -> model -> sums since the last report
//   each report     line in metrics.jsonl, at the end of an epoch with a test
//   each test, and after so many minutes: the checkpoint
//
// A checkpoint holds the sums too, so that a training that was cut anywhere reports what a whole one does.

#include <stdexcept>

#include "intaglio/core/parallel.hpp"
#include "session.hpp"

namespace training {

/// A training that could not go on: its text says why and where its last checkpoint is.
struct broken_training : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// 0 when it is done, 128 + the number of a signal that stopped it. Throws broken_training where a step or a report
/// failed, such as for a loss that is not finite; the last checkpoint is still there. Whatever fails before the first
/// step throws as it is.
int run_training(const session& s, intaglio::executor_ref exec);

} // namespace training
