// SPDX-License-Identifier: Apache-2.0
#pragma once

// A progress bar on standard error. On a terminal it is one line that is rewritten; elsewhere (a log file, a
// continuous-integration run) it prints a plain line about every tenth of the way, so that logs stay short.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Not for concurrent use: one thread reports.
class progress {
public:
    /// `total` steps, of any unit. Throws value_error if it is negative.
    progress(std::string label, dim_t total) : progress(std::move(label), total, stderr, isatty(fileno(stderr)) != 0) {}

    /// Writes to a file of the caller's choice, as to a terminal or as to a log.
    progress(std::string label, dim_t total, std::FILE* file, bool terminal)
        : label_(std::move(label)), total_(total), file_(file), terminal_(terminal) {
        require<value_error>(total >= 0, "progress: negative total ", total);
    }
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress() { finish(); }

    /// `done` of the total are done; `suffix` follows the figures (a loss, a speed).
    void update(dim_t done, std::string_view suffix = {}) {
        done_ = std::clamp<dim_t>(done, 0, total_);
        const int percent =
            total_ == 0 ? 100 : static_cast<int>(100.0 * static_cast<double>(done_) / static_cast<double>(total_));
        const auto now = clock::now();
        const bool last = done_ == total_;
        if (finished_ || (last && shown_percent_ == 100)) return;
        if (terminal_) { // ten times a second is smooth
            if (!last && shown_percent_ >= 0 && now - shown_at_ < std::chrono::milliseconds(100)) return;
        } else if (percent / 10 == std::max(shown_percent_, 0) / 10) {
            return;
        }
        shown_at_ = now;
        shown_percent_ = percent;
        print(percent, std::chrono::duration<double>(now - start_).count(), suffix);
    }

    /// Ends the line. Called by the destructor too.
    void finish() noexcept {
        if (terminal_ && !finished_ && shown_percent_ >= 0) std::fputc('\n', file_);
        finished_ = true;
    }

private:
    using clock = std::chrono::steady_clock;

    void print(int percent, double seconds, std::string_view suffix) const {
        const int tail = static_cast<int>(suffix.size());
        const char* const text = tail > 0 ? suffix.data() : "";
        if (!terminal_) {
            std::fprintf(file_, "%s: %3d %% after %.1f s%s%.*s\n", label_.c_str(), percent, seconds, tail ? ", " : "",
                         tail, text);
        } else {
            constexpr int width = 30;
            const std::string filled(static_cast<std::size_t>(width * percent / 100), '#');
            const double left = percent > 0 ? seconds * (100 - percent) / percent : 0;
            std::fprintf(file_, "\r%s [%-*s] %3d %% %.0f s, %.0f s left %.*s\033[K", label_.c_str(), width,
                         filled.c_str(), percent, seconds, left, tail, text);
        }
        std::fflush(file_);
    }

    std::string label_;
    dim_t total_;
    std::FILE* file_;
    bool terminal_;
    dim_t done_ = 0;
    int shown_percent_ = -1;
    bool finished_ = false;
    clock::time_point start_ = clock::now();
    clock::time_point shown_at_ = start_;
};

} // namespace intaglio::inline INTAGLIO_ABI
