// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the time of training steps goes: seconds, multiply-adds and bytes for each unit and kind of pass, and a table
// of them. A plan that is given a profile measures, otherwise it doesn't.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

enum class pass_kind { forward, input_gradient, weight_gradient, elementwise, weights, loss, update };
inline constexpr std::array<const char*, 7> pass_names{"forward", "input gradient", "weight gradient", "element-wise",
                                                       "weights", "loss",           "update"};

class profile {
public:
    struct row {
        std::string unit;
        pass_kind kind{};
        double seconds = 0, macs = 0;
        dim_t bytes = 0;
    };

    void add(std::string_view unit, pass_kind kind, double seconds, double macs, dim_t bytes) {
        auto found =
            std::find_if(rows_.begin(), rows_.end(), [&](const row& r) { return r.kind == kind && r.unit == unit; });
        if (found == rows_.end()) found = rows_.insert(rows_.end(), row{std::string(unit), kind});
        found->seconds += seconds;
        found->macs += macs;
        found->bytes += bytes;
    }
    const std::vector<row>& rows() const { return rows_; }

    /// Sums over the units of one kind.
    row sum(pass_kind kind) const {
        row total{"", kind};
        for (const row& r : rows_)
            if (r.kind == kind) total.seconds += r.seconds, total.macs += r.macs, total.bytes += r.bytes;
        return total;
    }
    double seconds() const {
        double total = 0;
        for (const row& r : rows_) total += r.seconds;
        return total;
    }
    /// Seconds of the three passes of products.
    double product_seconds() const {
        return sum(pass_kind::forward).seconds + sum(pass_kind::input_gradient).seconds +
               sum(pass_kind::weight_gradient).seconds;
    }

    /// A line for each unit and pass, then the sums of the kinds, then the whole: milliseconds of one of `steps` steps.
    std::string table(dim_t steps = 1) const {
        std::string text = "unit                             pass              ms       %   GMAC/s    GB/s\n";
        const auto line = [&](const std::string& unit, const char* pass, const row& r) {
            char buffer[160];
            std::snprintf(buffer, sizeof buffer, "%-32.32s %-16s %8.2f %6.1f %8.1f %7.1f\n", unit.c_str(), pass,
                          1e3 * r.seconds / static_cast<double>(steps), 100 * r.seconds / std::max(1e-12, seconds()),
                          1e-9 * r.macs / std::max(1e-12, r.seconds),
                          1e-9 * static_cast<double>(r.bytes) / std::max(1e-12, r.seconds));
            text += buffer;
        };
        for (const row& r : rows_) line(r.unit, pass_names[static_cast<std::size_t>(r.kind)], r);
        for (std::size_t k = 0; k < pass_names.size(); ++k)
            line("all units", pass_names[k], sum(static_cast<pass_kind>(k)));
        row whole;
        for (const row& r : rows_) whole.seconds += r.seconds, whole.macs += r.macs, whole.bytes += r.bytes;
        line("whole step", "", whole);
        char buffer[96];
        std::snprintf(buffer, sizeof buffer, "The step takes %.2f times its products.\n",
                      seconds() / std::max(1e-12, product_seconds()));
        return text + buffer;
    }

private:
    std::vector<row> rows_;
};

/// Adds the time of its life to a profile, if there is one.
class stopwatch {
public:
    stopwatch(profile* to, std::string_view unit, pass_kind kind, double macs, dim_t bytes)
        : to_(to), unit_(unit), kind_(kind), macs_(macs), bytes_(bytes) {
        if (to_) start_ = std::chrono::steady_clock::now();
    }
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;
    ~stopwatch() {
        if (to_)
            to_->add(unit_, kind_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(),
                     macs_, bytes_);
    }

private:
    profile* to_;
    std::string_view unit_;
    pass_kind kind_;
    double macs_;
    dim_t bytes_;
    std::chrono::steady_clock::time_point start_;
};

inline stopwatch time_of(profile* to, std::string_view unit, pass_kind kind, double macs = 0, dim_t bytes = 0) {
    return {to, unit, kind, macs, bytes};
}

} // namespace intaglio::inline INTAGLIO_ABI::train
