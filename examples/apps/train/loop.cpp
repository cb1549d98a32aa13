// SPDX-License-Identifier: Apache-2.0

#include "loop.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include <sys/resource.h>

#include "interrupt.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/io/folder_lock.hpp"
#include "metrics.hpp"
#include "progress_line.hpp"
#include "testing.hpp"
#include "text.hpp"

namespace training {
namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;
using intaglio::join;

double seconds_since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

/// What is added up from one report to the next.
struct sums {
    double loss = 0, correct = 0, steps = 0; ///< over steps: mean losses, right images
    double seconds = 0;                      ///< of these steps, not kept

    std::vector<double> kept() const { return {loss, correct, steps}; }
};

class training_loop {
public:
    training_loop(const session& s, intaglio::executor_ref exec)
        : s_(s), settings_(settings_of(s)), metrics_(s.folder), model_(make_model(s, exec)) {
        const auto reports = std::max<dim_t>(1, s.rates.steps / 100);
        report_every_ = s.asked.report_every > 0 ? s.asked.report_every : std::min(reports, s.rates.per_epoch);
        begin();
    }

    dim_t steps() const { return model_->steps(); }
    dim_t saved_step() const { return saved_step_; }

    int run() {
        const dim_t first = model_->steps();
        intaglio::data::loader batches(*s_.data.train, {.batch = s_.how.batch,
                                                        .transform = s_.data.augmented,
                                                        .shuffle = true,
                                                        .seed = s_.asked.seed,
                                                        .first = first,
                                                        .threads = s_.asked.loader_threads});
        progress_line line(s_.title(), s_.rates.steps, first, s_.how.batch, s_.rates.per_epoch);
        if (report_is_due() && sums_.steps > 0 && !give_report(line)) return stopped(line); // cut off in a test
        intaglio::train::profile times;
        double unmeasured_seconds = 0;
        while (model_->steps() < s_.rates.steps) {
            if (signal_that_came() != 0) return stopped(line);
            if (s_.asked.profile && model_->steps() == first + unmeasured) {
                model_->measure(&times);
                unmeasured_seconds = line.seconds();
            }
            take_step(batches, line);
            if (report_is_due() && !give_report(line)) return stopped(line);
            if (seconds_since(saved_) >= 60 * s_.asked.save_minutes) save();
        }
        const double measured = line.seconds() - unmeasured_seconds;
        model_->measure(nullptr);
        line.finish();
        save();
        tell_end();
        if (s_.asked.profile) tell_profile(times, measured, model_->steps() - first - unmeasured, batches.times());
        return 0;
    }

private:
    static constexpr dim_t unmeasured = 2; ///< steps: memory and exponents settle

    /// Takes up the checkpoint, or makes the first one.
    void begin() {
        const std::string path = s_.checkpoint();
        if (s_.asked.resume) {
            intaglio::require<intaglio::file_error>(fs::exists(path), path,
                                                    ": there is no checkpoint to resume; leave --resume out to begin");
            lock_.emplace(s_.folder);
            const auto file = intaglio::io::safetensors_file::read(path);
            intaglio::io::require_same_settings(path, intaglio::io::settings_of(file), settings_);
            const auto checkpoint = intaglio::io::load_training(file, s_.network);
            intaglio::require<intaglio::file_error>(checkpoint.sums.size() == sums_.kept().size(), path, ": has ",
                                                    checkpoint.sums.size(), " sums, expected ", sums_.kept().size());
            model_->resume(checkpoint.state);
            sums_ = {checkpoint.sums[0], checkpoint.sums[1], checkpoint.sums[2]};
            metrics_.resume(model_->steps());
            std::fprintf(stderr, "%s: goes on at step %lld of %lld\n", path.c_str(),
                         static_cast<long long>(model_->steps()), static_cast<long long>(s_.rates.steps));
        } else {
            intaglio::require<intaglio::file_error>(!fs::exists(path), path,
                                                    ": a training is there already; go on with it by --resume, give "
                                                    "another folder with --save, or remove it");
            fs::create_directories(s_.folder);
            lock_.emplace(s_.folder);
            save();
        }
        saved_ = clock::now();
        saved_step_ = model_->steps();
    }

    void save() {
        intaglio::io::save_training(s_.checkpoint(), s_.network, {model_->state(), settings_, sums_.kept()});
        saved_ = clock::now();
        saved_step_ = model_->steps();
    }

    void take_step(intaglio::data::loader& batches, progress_line& line) {
        const auto start = clock::now();
        const intaglio::data::batch& b = batches.next();
        const auto result = model_->step(b.images.span(), b.labels, s_.rates.rate(model_->steps()));
        const double seconds = seconds_since(start);
        sums_.loss += result.loss;
        sums_.correct += static_cast<double>(result.correct);
        sums_.steps += 1;
        sums_.seconds += seconds;
        line.step(model_->steps(), seconds, sums_.loss / sums_.steps,
                  sums_.correct / (sums_.steps * static_cast<double>(s_.how.batch)));
    }

    bool test_is_due() const {
        const dim_t step = model_->steps();
        return s_.data.test && s_.asked.test_every > 0 && step > 0 &&
               (step == s_.rates.steps ||
                step % intaglio::checked_product({s_.rates.per_epoch, s_.asked.test_every}) == 0);
    }
    bool report_is_due() const {
        const dim_t step = model_->steps();
        return test_is_due() || step % s_.rates.per_epoch % report_every_ == 0 || step == s_.rates.steps;
    }

    /// False if a signal came before its test was through: then nothing was reported.
    bool give_report(progress_line& line) {
        report r{.step = model_->steps(),
                 .epoch = static_cast<double>(model_->steps()) / static_cast<double>(s_.rates.per_epoch),
                 .rate = s_.rates.rate(model_->steps() - 1),
                 .train_loss = sums_.loss / sums_.steps,
                 .train_accuracy = sums_.correct / (sums_.steps * static_cast<double>(s_.how.batch)),
                 .seconds = metrics_.seconds() + sums_.seconds};
        if (sums_.seconds > 0) r.images_per_second = sums_.steps * static_cast<double>(s_.how.batch) / sums_.seconds;
        const bool tests = test_is_due();
        if (tests) {
            const auto score = test(
                *model_, s_, [] { return signal_that_came() != 0; },
                [&](dim_t done, dim_t of) { line.note(join("testing, ", done, " of ", of, " images")); });
            if (!score) return false;
            r.test = tested{score->mean_loss(), score->accuracy(), score->accuracy_in_five()};
        }
        sums_ = {};
        metrics_.add(r);
        line.show(r);
        if (tests) {
            metrics_.draw(s_.title());
            save();
        }
        return true;
    }

    int stopped(progress_line& line) {
        line.finish();
        save();
        if (!metrics_.reports().empty()) metrics_.draw(s_.title());
        std::fprintf(stderr, "stopped at step %lld of %lld, saved: %s; --resume goes on\n",
                     static_cast<long long>(model_->steps()), static_cast<long long>(s_.rates.steps),
                     s_.checkpoint().c_str());
        return 128 + signal_that_came();
    }

    void tell_end() const {
        if (metrics_.reports().empty()) return;
        metrics_.draw(s_.title());
        const report& last = metrics_.reports().back();
        std::printf("%s: %lld steps in %.1f s; training loss %.4f, %.2f %% right", s_.title().c_str(),
                    static_cast<long long>(last.step), last.seconds, last.train_loss, 100 * last.train_accuracy);
        if (last.test) std::printf("; test loss %.4f, %.2f %% right", last.test->loss, 100 * last.test->accuracy);
        std::printf("\nIn %s: checkpoint.safetensors, metrics.jsonl, curves.svg\n", s_.folder.c_str());
    }

    void tell_profile(const intaglio::train::profile& times, double seconds, dim_t steps,
                      const intaglio::data::loader_times& waits) const {
        if (steps <= 0) {
            std::printf("--profile: measures from step %lld of a run on; this one was too short\n",
                        static_cast<long long>(unmeasured));
            return;
        }
        const double each = seconds / static_cast<double>(steps);
        const double waited = (waits.waited - waits.first) / static_cast<double>(std::max<dim_t>(waits.batches - 1, 1));
        struct rusage use {};
        getrusage(RUSAGE_SELF, &use);
        std::printf("\n%s", times.table(steps).c_str());
        std::printf("%lld steps of %.2f ms, waiting for data included: %.1f images/s; products are %.1f %% "
                    "of the measured time.\n"
                    "Waited for data: %.3f ms a step, and %.1f ms for the first batch.\n"
                    "Memory: %.1f MiB of activations and gradients, %.1f MiB at most in all.\n",
                    static_cast<long long>(steps), 1e3 * each, static_cast<double>(s_.how.batch) / each,
                    100 * times.product_seconds() / std::max(1e-12, times.seconds()), 1e3 * waited, 1e3 * waits.first,
                    static_cast<double>(model_->tensor_bytes()) / 0x1p20, static_cast<double>(use.ru_maxrss) / 1024);
    }

    const session& s_;
    std::optional<intaglio::io::folder_lock> lock_; ///< two trainings in one folder would mix their files
    intaglio::io::training_settings settings_;
    metrics metrics_;
    std::unique_ptr<model> model_;
    sums sums_;
    dim_t report_every_ = 1;
    clock::time_point saved_{};
    dim_t saved_step_ = 0;
};

} // namespace

int run_training(const session& s, intaglio::executor_ref exec) {
    training_loop loop(s, exec);
    try {
        return loop.run();
    } catch (const std::exception& fault) {
        throw broken_training(join(fault.what(), "\nStopped after ", loop.steps(), " steps; the checkpoint of step ",
                                   loop.saved_step(), " is kept: ", s.checkpoint()));
    }
}

} // namespace training
