// SPDX-License-Identifier: Apache-2.0
#pragma once

// The course of a training as people look at it: a report every so many steps, kept as lines of JSON in metrics.jsonl
// and drawn in curves.svg, alone or several trainings together. A training that is resumed drops what was reported
// after its checkpoint, since it comes again.

#include <optional>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"

namespace training {

using intaglio::dim_t;

struct tested {
    double loss = 0, accuracy = 0, accuracy_in_five = 0; ///< nats; shares, 0 .. 1
};

struct report {
    dim_t step = 0;                            ///< steps that were done
    double epoch = 0;                          ///< the same in passes over the training images
    double rate = 0;                           ///< of the last step
    double train_loss = 0, train_accuracy = 0; ///< means since the last report
    double images_per_second = 0, seconds = 0; ///< of training; since the start, stops left out
    std::optional<tested> test{};
};

class metrics {
public:
    /// In `folder`, from its beginning.
    explicit metrics(std::string folder);

    /// Takes up what the folder has up to `step`, and drops the rest.
    void resume(dim_t step);
    void add(const report& r);
    /// Draws curves.svg anew.
    void draw(const std::string& title) const;

    const std::vector<report>& reports() const { return reports_; }
    /// Seconds of training until the last report.
    double seconds() const { return reports_.empty() ? 0 : reports_.back().seconds; }

private:
    void write_all() const;

    std::string lines_, drawing_; ///< paths
    std::vector<report> reports_;
};

/// Draws the courses of several folders into one file, each under the folder's name. file_error for a folder that has
/// no reports.
void draw_together(const std::string& path, const std::vector<std::string>& folders);

} // namespace training
