// SPDX-License-Identifier: Apache-2.0

// Trains a network on images in INT16 or FP32: data, checkpoints, curves, tests and a profile around the library's
// training plans. `train --help` says how; docs/training.md tells more.
//
// Ends with 0; 1 where a training broke down (a loss that is not finite); 2 for what can't be: options, files, data;
// 128 + the number of a signal that stopped it.

#include <cstdio>
#include <exception>

#include "interrupt.hpp"
#include "intaglio/core/error.hpp"
#include "loop.hpp"
#include "metrics.hpp"
#include "testing.hpp"

namespace training {
namespace {

int run_test(const session& s, intaglio::executor_ref exec) {
    const auto m = make_tester(s, s.asked.evaluate, exec);
    const auto score = test(
        *m, s, [] { return signal_that_came() != 0; }, [](dim_t, dim_t) {});
    if (!score) return 128 + signal_that_came();
    std::printf("%s: %lld %s images, loss %.4f, top-1 %.2f %%", s.title().c_str(),
                static_cast<long long>(score->images), s.data.test ? "test" : "training", score->mean_loss(),
                100 * score->accuracy());
    if (s.data.train->classes().size() > 10) std::printf(", top-5 %.2f %%", 100 * score->accuracy_in_five());
    std::printf("\n");
    return 0;
}

/// A fault before the first step is one of what was asked for.
int run(const options& o) {
    if (!o.draw.empty()) {
        intaglio::require<intaglio::value_error>(!o.folders.empty(), "--draw: of which folders?");
        draw_together(o.draw, o.folders);
        return 0;
    }
    listen_to_signals();
    intaglio::thread_pool pool(o.threads);
    const session s = open_session(o, pool);
    return o.evaluate.empty() ? run_training(s, pool) : run_test(s, pool);
}

} // namespace
} // namespace training

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0); // keeps its place beside the progress line
    int status = 0;
    const auto options = training::read_options(argc, argv, status);
    if (!options) return status;
    try {
        return training::run(*options);
    } catch (const training::broken_training& fault) {
        std::fprintf(stderr, "train: %s\n", fault.what());
        return 1;
    } catch (const std::exception& fault) {
        std::fprintf(stderr, "train: %s\n", fault.what());
        return 2;
    }
}
