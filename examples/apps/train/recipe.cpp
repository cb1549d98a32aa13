// SPDX-License-Identifier: Apache-2.0

#include "recipe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"

namespace training {
namespace {
using intaglio::train::schedule_kind;
constexpr std::array<const char*, 5> names{"constant", "step", "cosine", "poly", "onecycle"}; // in the enum's order
} // namespace

const char* name_of(schedule_kind kind) { return names[static_cast<std::size_t>(kind)]; }

recipe changed(recipe r, const options& o) {
    const auto usual_batch = static_cast<double>(r.batch);
    r.batch = o.batch.value_or(r.batch);
    r.rate = o.rate.value_or(r.rate * static_cast<double>(r.batch) / usual_batch);
    r.epochs = o.epochs.value_or(r.epochs);
    if (o.schedule)
        for (std::size_t i = 0; i < names.size(); ++i)
            if (*o.schedule == names[i]) r.schedule = static_cast<schedule_kind>(i);
    if (!o.milestones.empty()) r.milestones = o.milestones;
    r.warmup = o.warmup.value_or(r.warmup);
    r.momentum = o.momentum.value_or(r.momentum);
    r.nesterov = o.nesterov.value_or(r.nesterov);
    r.weight_decay = o.weight_decay.value_or(r.weight_decay);
    r.label_smoothing = o.label_smoothing.value_or(r.label_smoothing);
    return r;
}

course course_of(const recipe& r, const options& o, dim_t images) {
    intaglio::require<intaglio::value_error>(images >= r.batch, "a batch of ", r.batch, " is more than the ", images,
                                             " training images; give a smaller one with --batch");
    course c;
    c.per_epoch = images / r.batch;
    const auto in_steps = [&](double epochs) {
        return static_cast<dim_t>(std::llround(epochs * static_cast<double>(c.per_epoch)));
    };
    c.steps = o.steps.value_or(intaglio::checked_product({r.epochs, c.per_epoch}));
    dim_t warmup = in_steps(r.warmup);
    if (!o.warmup) warmup = std::min(warmup, c.steps / 10); // the usual one, of a training that is shorter than usual
    intaglio::require<intaglio::value_error>(warmup < c.steps, "a warm-up of ", r.warmup, " epochs, ", warmup,
                                             " steps, in a training of ", c.steps,
                                             " steps; give a shorter one with --warmup");
    c.rate = {.kind = r.schedule, .rate = r.rate, .steps = c.steps - warmup, .warmup = warmup};
    if (r.schedule == schedule_kind::step) {
        for (const double epoch : r.milestones) c.rate.milestones.push_back(in_steps(epoch) - warmup);
        if (r.milestones.empty())
            for (const double part : {1.0 / 3, 2.0 / 3, 8.0 / 9})
                c.rate.milestones.push_back(std::llround(part * static_cast<double>(c.steps)) - warmup);
    }
    c.rate.check();
    return c;
}

} // namespace training
