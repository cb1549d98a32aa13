// SPDX-License-Identifier: Apache-2.0
#pragma once

// Learning rates over time. A schedule is a value that is called with the step (0, 1, ...) and gives the rate; `warmup`
// takes another one and puts a linear rise before it.

#include <cmath>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI::optim {

/// `rate`, multiplied by `factor` from each of the milestones (ascending steps) on.
struct step_schedule {
    float rate = 0.1f;
    std::vector<dim_t> milestones;
    float factor = 0.1f;

    float operator()(dim_t step) const {
        return in_float_environment([&] {
            float r = rate;
            for (dim_t m : milestones)
                if (step >= m) r *= factor;
            return r;
        });
    }
};

/// Half a cosine from `rate` at step 0 to `last` at step `steps`, and `last` from there on.
struct cosine_schedule {
    float rate = 0.1f;
    dim_t steps = 1; ///< > 0
    float last = 0;

    float operator()(dim_t step) const {
        if (step >= steps) return last;
        return in_float_environment([&] {
            constexpr double pi = 3.14159265358979323846;
            const double share = 0.5 * (1 + std::cos(pi * static_cast<double>(step) / static_cast<double>(steps)));
            return last + (rate - last) * static_cast<float>(share);
        });
    }
};

/// A linear rise to the first rate of `inner` over `steps` steps (the first step has 1 / (steps + 1) of it), then
/// `inner` from its step 0.
template <class Schedule>
struct warmup {
    dim_t steps = 0;
    Schedule inner;

    float operator()(dim_t step) const {
        if (step >= steps) return inner(step - steps);
        return in_float_environment(
            [&]() -> float { return inner(0) * static_cast<float>(step + 1) / static_cast<float>(steps + 1); });
    }
};
template <class Schedule>
warmup(dim_t, Schedule) -> warmup<Schedule>;

} // namespace intaglio::inline INTAGLIO_ABI::optim
