// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a network is trained: the update, the rate over the steps, the length. Each network brings one
// (network_choice.cpp), the command line changes it.

#include "intaglio/train/schedule.hpp"
#include "options.hpp"

namespace training {

struct recipe {
    dim_t batch = 128;
    dim_t epochs = 40;
    intaglio::train::schedule_kind schedule = intaglio::train::schedule_kind::onecycle;
    std::vector<double> milestones{}; ///< epochs of a step schedule; empty: 1/3, 2/3, 8/9 of all
    double rate = 0.1;                ///< the largest, at `batch`
    double warmup = 0;                ///< epochs
    double momentum = 0.9;
    bool nesterov = true;
    double weight_decay = 5e-4;
    double label_smoothing = 0;
};

/// A recipe in steps, and as it was told.
struct course {
    intaglio::train::schedule rate;
    dim_t steps = 0; ///< of the whole training
    dim_t per_epoch = 0;
};

/// The recipe as the command line changes it. A rate that is not given follows the batch.
recipe changed(recipe usual, const options& o);

/// value_error where an epoch of `images` has no whole batch, or the rates make no sense.
course course_of(const recipe& r, const options& o, dim_t images);

/// "onecycle" and so on.
const char* name_of(intaglio::train::schedule_kind kind);

} // namespace training
