// SPDX-License-Identifier: Apache-2.0
#pragma once

// Times several pieces of work against each other on a machine that others use, too. They take turns, so that a slow
// moment hits all of them; what counts is the best time of each, and the median tells how noisy the run was.

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

namespace timing {

struct result {
    double best = 0; ///< seconds for one run
    double median = 0;
};

inline double seconds_of(const std::function<void()>& run, int repeats) {
    const auto start = std::chrono::steady_clock::now();
    for (int r = 0; r < repeats; ++r) run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repeats;
}

/// Runs each work twice to warm up, then all of them round after round until each has had `budget` seconds on average,
/// three rounds at least. A sample repeats short work until it lasts `sample` seconds. `rest` seconds of sleep and as
/// many of untimed runs come before each sample: the threads of some libraries go on spinning on their cores for a
/// while after their work, and would slow the next one's; and threads that wake up together may share a core at first.
inline std::vector<result> interleaved(const std::vector<std::function<void()>>& works, double budget,
                                       double sample = 2e-4, double rest = 0) {
    std::vector<int> repeats;
    double round = 0;
    for (const auto& work : works) {
        work();
        const double once = seconds_of(work, 1);
        repeats.push_back(std::max(1, static_cast<int>(sample / std::max(once, 1e-7))));
        round += once * repeats.back();
    }
    const double total = budget * static_cast<double>(works.size());
    round += 2 * rest * static_cast<double>(works.size());
    const int rounds = std::clamp(static_cast<int>(total / std::max(round, 1e-7)), 3, 200);
    std::vector<std::vector<double>> samples(works.size());
    for (int r = 0; r < rounds; ++r)
        for (std::size_t w = 0; w < works.size(); ++w) {
            if (rest > 0) {
                std::this_thread::sleep_for(std::chrono::duration<double>(rest));
                for (double warm = 0; warm < rest;) warm += seconds_of(works[w], 1);
            }
            samples[w].push_back(seconds_of(works[w], repeats[w]));
        }
    std::vector<result> results;
    for (auto& s : samples) {
        std::sort(s.begin(), s.end());
        results.push_back({s.front(), s[s.size() / 2]});
    }
    return results;
}

} // namespace timing
