// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a training shows while it runs, on standard error: on a terminal one line that is rewritten ten times a second,
// elsewhere a line for each report.

#include <chrono>
#include <optional>
#include <string>

#include "metrics.hpp"

namespace training {

class progress_line {
public:
    /// Of a training of so many steps that begins at `first`.
    progress_line(std::string label, dim_t steps, dim_t first, dim_t batch, dim_t per_epoch);
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;
    ~progress_line() { finish(); }

    /// A step is done that took so many seconds, waiting for its images included.
    void step(dim_t done, double seconds, double loss, double accuracy);
    void show(const report& r);
    /// Something that happens besides, such as a test.
    void note(const std::string& text);
    /// Ends the line.
    void finish();

    /// Of this run.
    double seconds() const { return seconds_; }

private:
    std::string left() const;

    std::string label_;
    dim_t steps_, first_, batch_, per_epoch_;
    bool terminal_, open_ = false;
    dim_t done_;
    double seconds_ = 0;
    std::optional<tested> last_test_;
    std::chrono::steady_clock::time_point shown_{};
};

} // namespace training
