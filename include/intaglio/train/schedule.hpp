// SPDX-License-Identifier: Apache-2.0
#pragma once

// Learning rates over the steps of a training, each the formula of PyTorch's scheduler of that name, in double. A
// schedule is a value that is called with the step (0, 1, ...) and gives the rate.
//
//   step      rate factor^(milestones passed)                                                MultiStepLR
//   cosine    last + (rate - last) (1 + cos(pi s / steps)) / 2                               CosineAnnealingLR
//   poly      rate (1 - s / steps)^power                                                     PolynomialLR
//   onecycle  from rate / division up to rate over a share of the steps, then down to the    OneCycleLR, linear
//             first one / final_division, both in a line
//
// A warm-up rises in a line to the schedule's first rate over its steps, before step 0 of the schedule.

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

enum class schedule_kind { constant, step, cosine, poly, onecycle };

struct schedule {
    schedule_kind kind = schedule_kind::constant;
    double rate = 0.1; ///< the largest
    dim_t steps = 1;   ///< of the training, without the warm-up; rates behind it are the last one
    dim_t warmup = 0;  ///< steps before

    std::vector<dim_t> milestones{}; ///< step: ascending
    double factor = 0.1;             ///< step: at each milestone
    double last = 0;                 ///< cosine
    double power = 0.5;              ///< poly
    double rise = 0.3;               ///< onecycle: share of the steps
    double division = 25, final_division = 1e4;

    /// Throws value_error unless everything is in range.
    void check() const {
        require<value_error>(rate >= 0 && std::isfinite(rate), "schedule: a rate of ", rate, ", expected at least 0");
        require<value_error>(steps >= 1 && warmup >= 0, "schedule: ", steps, " steps behind ", warmup,
                             " of warm-up; expected at least one, and none or more");
        require<value_error>(kind != schedule_kind::onecycle ||
                                 (rise > 0 && rise < 1 && division > 0 && final_division > 0),
                             "schedule: onecycle rises over a share of the steps between 0 and 1, is ", rise);
        require<value_error>(std::is_sorted(milestones.begin(), milestones.end()),
                             "schedule: milestones should ascend");
    }

    double operator()(dim_t step) const {
        return in_float_environment([&] {
            if (step < warmup) return at(0) * static_cast<double>(step + 1) / static_cast<double>(warmup + 1);
            return at(step - warmup);
        });
    }

private:
    double at(dim_t step) const {
        const double s = static_cast<double>(std::min(step, steps)), n = static_cast<double>(steps);
        switch (kind) {
        case schedule_kind::constant:
            return rate;
        case schedule_kind::step: {
            const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
            return rate * std::pow(factor, static_cast<double>(passed));
        }
        case schedule_kind::cosine: {
            constexpr double pi = 3.14159265358979323846;
            return last + (rate - last) * (1 + std::cos(pi * s / n)) / 2;
        }
        case schedule_kind::poly:
            return rate * std::pow(1 - s / n, power);
        case schedule_kind::onecycle: {
            const double first = rate / division, end = first / final_division;
            const double top = rise * n - 1, bottom = n - 1, t = std::min(s, bottom);
            if (t <= top) return top <= 0 ? rate : first + (rate - first) * t / top;
            return rate + (end - rate) * (t - top) / (bottom - top);
        }
        }
        return rate;
    }
};

} // namespace intaglio::inline INTAGLIO_ABI::train
