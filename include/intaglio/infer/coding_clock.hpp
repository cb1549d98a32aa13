// SPDX-License-Identifier: Apache-2.0
#pragma once

// Measures on this machine how long an image takes with each of some codings of the weights (coding_times.hpp), with
// nothing but the engine that will run it: the whole network is coded and packed in each coding (integer_network.hpp,
// so kernels and storage are those of weight_memory::fast), and runs of whole networks are taken apart into the times
// of their products. A product finds its weights and inputs where it will find them later, in whatever cache the
// network leaves them; a layer alone in a loop would find them in L1.
//
// Codings take turns, so that what disturbs a machine for a while disturbs all; the first run of a turn brings the
// network into the caches and is not counted. Of each pass the best run counts. Whole runs are no measure on a machine
// that does other work as well: with as many busy programs as cores every run of ResNet-50 was interrupted, the best of
// them took 15.6 ms and the sum of the best of each pass 8.8 ms. Codings of a product that are stored in plain bytes
// run the same instructions on the same number of them, so the best run of any of them counts for all: were each taken
// by itself, the luckiest of fifteen would seem the quickest.
//
// All codings' packed weights are in memory meanwhile.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/calibration.hpp"
#include "intaglio/infer/coding_times.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/integer_network.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

struct clock_options {
    double seconds = 8; ///< for all runs, about; each coding has eight that count, whatever they take
    std::function<void(const std::string& phase, dim_t done, dim_t total)> progress{};
};

namespace detail {

/// A network for each coding of all its products. Weights are rounded by themselves: what feedback changes in codes
/// changes few of their bits.
template <class Arch>
std::vector<basic_integer_network<Arch>> networks_of(const folded_network& folded, const calibration& measured,
                                                     std::span<const weight_coding> codings, executor_ref exec,
                                                     const std::function<void(dim_t done)>& done) {
    std::vector<basic_integer_network<Arch>> networks;
    networks.reserve(codings.size());
    for (weight_coding coding : codings) {
        done(std::ssize(networks));
        coding.correct_bias = coding.feedback = false;
        coding.divisors.clear();
        const auto same = [&](std::size_t) { return coding; };
        networks.emplace_back(encode(folded, measured, same, exec), exec);
    }
    done(std::ssize(networks));
    return networks;
}

/// The best time of a product in plain bytes is that of all codings in which it is; likewise of those that are
/// transformed for Winograd's products.
template <class Arch>
void share_best_of_plain(std::span<const basic_integer_network<Arch>> networks, std::size_t node, coding_times& times) {
    for (const bool winograd : {false, true}) {
        const auto for_each_plain = [&](const auto& use) {
            for (std::size_t c = 0; c < networks.size(); ++c) {
                const stored_weights& s = networks[c].stored(node).front();
                if (!s.compact && !s.pairs && s.winograd == winograd) use(times.products[c][node]);
            }
        };
        double best = std::numeric_limits<double>::infinity();
        for_each_plain([&](double t) { best = std::min(best, t); });
        for_each_plain([&](double& t) { t = best; });
    }
}

} // namespace detail

/// The times of one image at batch 1 on `exec`. Throws as encode does.
template <class Arch = simd::native_arch>
coding_times time_codings(const folded_network& folded, const calibration& measured,
                          std::span<const weight_coding> codings, executor_ref exec = {},
                          const clock_options& options = {}) {
    using clock = std::chrono::steady_clock;
    const auto nanoseconds = [](clock::duration d) { return std::chrono::duration<double, std::nano>(d).count(); };
    const auto tell = [&](const char* phase, dim_t done, dim_t total) {
        if (options.progress) options.progress(phase, done, total);
    };
    const auto networks = detail::networks_of<Arch>(folded, measured, codings, exec, [&](dim_t done) {
        tell("packing codings to time", done, std::ssize(codings));
    });

    // the best of each pass: products by their coding; the rest by node, the last what comes behind all passes
    const std::size_t nodes = folded.net.nodes.size();
    const auto is_product = [&](std::size_t i) { return i < nodes && detail::is_product(folded.net.nodes[i].op); };
    constexpr double never = std::numeric_limits<double>::infinity();
    coding_times times{std::vector(codings.size(), std::vector<double>(nodes, 0)), 0};
    for (std::vector<double>& of_nodes : times.products)
        for (std::size_t i = 0; i < nodes; ++i)
            if (is_product(i)) of_nodes[i] = never;
    std::vector<double> rest(nodes + 1, never);
    if (codings.empty()) return times;

    const std::vector<float> image(static_cast<std::size_t>(nn::image_shape(folded.net, 1).size()), 0.5F);
    std::vector<float> logits(static_cast<std::size_t>(networks.front().classes()));
    typename basic_integer_network<Arch>::workspace memory;
    clock::time_point last;
    std::vector<double> run(nodes + 1);
    const std::function<void(std::size_t)> done = [&](std::size_t node) {
        const auto now = clock::now();
        run[node] = nanoseconds(now - last);
        last = now;
    };
    const auto time_round = [&] {
        constexpr int runs = 3;
        for (std::size_t c = 0; c < codings.size(); ++c)
            for (int r = 0; r < runs; ++r) {
                last = clock::now();
                networks[c].run(image, 1, 1, memory, logits, exec, done);
                done(nodes);
                for (std::size_t i = 0; i <= nodes && r > 0; ++i) {
                    double& best = is_product(i) ? times.products[c][i] : rest[i];
                    best = std::min(best, run[i]);
                }
            }
    };
    tell("timing codings", 0, 100);
    const auto begin = clock::now();
    time_round();
    const double round = std::max(1.0, nanoseconds(clock::now() - begin));
    const auto rounds = static_cast<dim_t>(std::clamp(options.seconds * 1e9 / round, 4.0, 100.0));
    for (dim_t n = 1; n < rounds; ++n) {
        tell("timing codings", 100 * n / rounds, 100);
        time_round();
    }
    tell("timing codings", 100, 100);

    for (std::size_t i = 0; i <= nodes; ++i)
        if (is_product(i))
            detail::share_best_of_plain<Arch>(networks, i, times);
        else
            times.others += rest[i];
    return times;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
