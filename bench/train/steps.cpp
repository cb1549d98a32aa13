// SPDX-License-Identifier: Apache-2.0

// Where the time of training steps goes: whole steps (forward, loss, backward, update) of the networks that the library
// is measured by, on random images, in FP32 and DFP16, on one thread and on several in turns. For each the time of a
// step, by kind of pass, and what a step takes as a multiple of its products. What counts of each pass is the least
// time of all steps, since others use the machine, too.
//
//   build/bench/train/training_steps --network resnet50 --precision dfp16 --profile

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "intaglio/models/alexnet.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/vgg.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/train/plan.hpp"
#include "intaglio/train/sgd.hpp"

namespace {

using namespace intaglio;

struct measured_network {
    const char* name;
    nn::network (*make)();
    dim_t batch;
};
const measured_network networks[] = {
    {"cifar-resnet20", [] { return models::cifar_resnet(20); }, 128},
    {"resnet50", [] { return models::resnet(50); }, 8},
    {"googlenet", [] { return models::googlenet(); }, 8},
    {"alexnet", [] { return models::alexnet(); }, 16},
    {"vgg16", [] { return models::vgg(16); }, 8},
};

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

template <class T>
void measure(const measured_network& m, const std::vector<int>& threads, int steps, bool whole_profile) {
    const nn::network net = m.make();
    nn::parameters parameters(net);
    nn::he_initialize(net, parameters, 1);
    train::plan<T> training(net, nn::image_shape(net, m.batch), parameters);
    train::sgd update(parameters, {.momentum = 0.9F, .weight_decay = 1e-4F});
    std::vector<float> images(static_cast<std::size_t>(training.images().size()));
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = 4 * random_uniform(1, 1, i) - 2;
    std::vector<std::int32_t> labels;
    for (dim_t i = 0; i < m.batch; ++i) labels.push_back(static_cast<std::int32_t>(i % training.classes()));

    std::map<int, thread_pool> pools;
    for (const int n : threads) pools.try_emplace(n, n);
    std::map<int, least_times> least;
    for (int s = 0; s < steps; ++s)
        for (const int n : threads) {
            train::profile times;
            training.use(pools.at(n));
            training.measure(&times);
            training.set_step(static_cast<std::uint64_t>(s));
            const auto start = std::chrono::steady_clock::now();
            training.gradients_of(images, labels);
            {
                const auto watch = train::time_of(&times, "sgd", train::pass_kind::update);
                update.step(parameters, training.gradients(), 1e-4F, pools.at(n));
            }
            training.parameters_changed();
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
            if (s > 0) least[n].take(times, took.count()); // the first finds exponents
        }

    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%s, %s, batch %lld: tensors %.0f MiB, peak of the process %.0f MiB\n", m.name,
                std::is_same_v<T, float> ? "fp32" : "dfp16", static_cast<long long>(m.batch),
                static_cast<double>(training.tensor_bytes()) / (1 << 20), static_cast<double>(usage.ru_maxrss) / 1024);
    for (const int n : threads) {
        const train::profile p = least[n].profile();
        std::printf("  %d thread%s  step %8.1f ms  %6.2f images/s  passes %8.1f ms  %.3f x products\n", n,
                    n == 1 ? " " : "s", 1e3 * least[n].step, static_cast<double>(m.batch) / least[n].step,
                    1e3 * p.seconds(), p.seconds() / p.product_seconds());
        for (std::size_t k = 0; k < train::pass_names.size(); ++k) {
            const auto kind = static_cast<train::pass_kind>(k);
            const auto sum = p.sum(kind);
            std::printf("      %-16s %8.2f ms  %5.1f %%  %6.1f GMAC/s  %6.1f GB/s  %.2f x of %d\n",
                        train::pass_names[k], 1e3 * sum.seconds, 100 * sum.seconds / least[n].step,
                        1e-9 * sum.macs / sum.seconds, 1e-9 * static_cast<double>(sum.bytes) / sum.seconds,
                        least[threads[0]].profile().sum(kind).seconds / sum.seconds, threads[0]);
        }
        if (whole_profile) std::printf("%s", p.table().c_str());
    }
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Time of training steps, by kind of pass");
    std::vector<std::string> names, precisions{"fp32", "dfp16"};
    std::vector<int> threads{1, 2};
    int steps = 6;
    bool whole_profile = false;
    app.add_option("--network", names, "cifar-resnet20, resnet50, googlenet, alexnet, vgg16; all if left out");
    app.add_option("--precision", precisions, "fp32, dfp16")->check(CLI::IsMember({"fp32", "dfp16"}));
    app.add_option("--threads", threads, "in turns")->check(CLI::PositiveNumber);
    app.add_option("--steps", steps, "of each number of threads, the first of which does not count")
        ->check(CLI::Range(2, 1000));
    app.add_flag("--profile", whole_profile, "a line for each unit and pass");
    CLI11_PARSE(app, argc, argv);
    for (const measured_network& m : networks) {
        if (!names.empty() && std::find(names.begin(), names.end(), m.name) == names.end()) continue;
        for (const std::string& precision : precisions)
            if (precision == "fp32")
                measure<float>(m, threads, steps, whole_profile);
            else
                measure<std::int16_t>(m, threads, steps, whole_profile);
    }
}
