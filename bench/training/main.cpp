// SPDX-License-Identifier: Apache-2.0
//
// Where the time of training steps goes: whole steps (forward, loss, backward, update) of the networks that the library
// is measured by, on random images, in FP32 and DFP16, on one thread and on several in turns. For each the time of a
// step, by kind of pass, and what a step takes as a multiple of its products. What counts of each pass is the least
// time of all steps, since others use the machine, too.
//
//   build/bench/bench/training_steps --network resnet50 --precision dfp16 --profile

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "training/networks.hpp"
#include "training/server.hpp"
#include "training/steps.hpp"

namespace {
using namespace intaglio;

std::unique_ptr<timed_steps> steps_of_network(const benchmark_network& n, const std::string& precision, dim_t batch,
                                              int head_room, algorithm convolutions) {
    const dfp_spec operand{.bits = 16, .head_room = head_room};
    const train::plan_options options{.storage = {.operands = operand, .weights = operand},
                                      .convolutions = convolutions};
    return precision == "fp32" ? make_timed_steps<float>(n.make(), batch, options)
                               : make_timed_steps<std::int16_t>(n.make(), batch, options);
}

/// The least time of each unit and pass.
struct least_times {
    std::vector<train::profile::row> rows;
    double step = 1e30;

    void take(const train::profile& p, double seconds) {
        step = std::min(step, seconds);
        if (rows.empty()) rows = p.rows();
        for (std::size_t i = 0; i < rows.size() && i < p.rows().size(); ++i)
            rows[i].seconds = std::min(rows[i].seconds, p.rows()[i].seconds);
    }
    train::profile profile() const {
        train::profile p;
        for (const auto& r : rows) p.add(r.unit, r.kind, r.seconds, r.macs, r.bytes);
        return p;
    }
};

struct options {
    std::vector<std::string> names, precisions{"fp32", "dfp16"};
    std::vector<int> threads{1, 2};
    dim_t batch = 0; ///< 0: the network's usual one
    int steps = 6;
    int head_room = train::plan_options{}.storage.operands.head_room;
    algorithm convolutions = algorithm::automatic;
    bool whole_profile = false, orders = false;
};

void measure(const benchmark_network& m, const std::string& precision, const options& o) {
    const dim_t batch = o.batch > 0 ? o.batch : m.batch;
    const double memory_before = status_mib("VmRSS");
    const auto training = steps_of_network(m, precision, batch, o.head_room, o.convolutions);
    std::map<int, thread_pool> pools;
    for (const int n : o.threads) pools.try_emplace(n, n);
    if (o.orders) {
        training->use(pools.at(o.threads[0]));
        serve(*training, memory_before);
        return;
    }
    std::map<int, least_times> least;
    for (int s = 0; s < o.steps; ++s)
        for (const int n : o.threads) {
            train::profile times;
            training->use(pools.at(n));
            training->measure(&times);
            const double seconds = seconds_of(*training, 1);
            if (s > 0) least[n].take(times, seconds); // the first finds exponents
        }
    training->measure(nullptr);

    std::printf("%s, %s, batch %td, %s: tensors %.0f MiB, memory %.0f MiB\n", m.name, precision.c_str(), batch,
                simd::native_arch::name, static_cast<double>(training->tensor_bytes()) / (1 << 20),
                status_mib("VmHWM") - memory_before);
    for (const int n : o.threads) {
        const train::profile p = least[n].profile();
        std::printf("  %d thread%s  step %8.1f ms  %6.2f images/s  passes %8.1f ms  %.3f x products\n", n,
                    n == 1 ? " " : "s", 1e3 * least[n].step, static_cast<double>(batch) / least[n].step,
                    1e3 * p.seconds(), p.seconds() / p.product_seconds());
        for (std::size_t k = 0; k < train::pass_names.size(); ++k) {
            const auto kind = static_cast<train::pass_kind>(k);
            const auto sum = p.sum(kind);
            std::printf("      %-16s %8.2f ms  %5.1f %%  %6.1f GMAC/s  %6.1f GB/s  %.2f x of %d\n",
                        train::pass_names[k], 1e3 * sum.seconds, 100 * sum.seconds / least[n].step,
                        1e-9 * sum.macs / sum.seconds, 1e-9 * static_cast<double>(sum.bytes) / sum.seconds,
                        least[o.threads[0]].profile().sum(kind).seconds / sum.seconds, o.threads[0]);
        }
        if (o.whole_profile) std::printf("%s", p.table().c_str());
    }
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Time of training steps, by kind of pass");
    options o;
    std::vector<std::string> all;
    for (const benchmark_network& m : benchmark_networks) all.emplace_back(m.name);
    app.add_option("--network", o.names, "all if left out")->check(CLI::IsMember(all));
    app.add_option("--precision", o.precisions)->check(CLI::IsMember({"fp32", "dfp16"}))->capture_default_str();
    app.add_option("--threads", o.threads, "in turns")->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_option("--batch", o.batch, "images of a step; the network's usual number if left out")
        ->check(CLI::PositiveNumber);
    app.add_option("--steps", o.steps, "of each number of threads, the first of which does not count")
        ->check(CLI::Range(2, 1000))
        ->capture_default_str();
    app.add_option("--head-room", o.head_room, "bits that DFP16 gives up in what products read")
        ->check(CLI::Range(0, 8))
        ->capture_default_str();
    app.add_option("--convolutions", o.convolutions, "how they are computed: automatic, direct")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, algorithm>{{"automatic", algorithm::automatic}, {"direct", algorithm::direct}}));
    app.add_flag("--profile", o.whole_profile, "a line for each unit and pass");
    app.add_flag("--serve", o.orders, "take orders from standard input (compare.py)");
    CLI11_PARSE(app, argc, argv);
    try {
        for (const benchmark_network& m : benchmark_networks)
            if (o.names.empty() || std::count(o.names.begin(), o.names.end(), m.name) > 0)
                for (const std::string& precision : o.precisions) measure(m, precision, o);
        return 0;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
