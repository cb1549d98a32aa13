// SPDX-License-Identifier: Apache-2.0
//
// Whole training steps of one network. By itself it prints where their time goes:
//
//   training_steps --network resnet50 --batch 8 --threads 2 --precision dfp16 --steps 3
//
// With --serve it takes orders, so that bench/training/compare.py can let it and its peers take turns: "step N" is
// answered by the seconds that N steps took, "profile N" by a line of JSON, anything else ends it.

#include <chrono>
#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "intaglio/core/error.hpp"
#include "intaglio/simd/arch.hpp"
#include "training/networks.hpp"
#include "training/steps.hpp"

namespace {
using namespace intaglio;

/// A line of /proc/self/status in MiB; 0 where there is no such file.
double status_mib(const std::string& name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.rfind(name + ":", 0) == 0) return std::stod(line.substr(name.size() + 1)) / 1024;
    return 0;
}

double seconds_of(timed_steps& steps, dim_t count) {
    const auto start = std::chrono::steady_clock::now();
    for (dim_t i = 0; i < count; ++i) steps.step();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void serve(timed_steps& steps, double memory_before) {
    std::cout << "ready" << std::endl;
    for (std::string order; std::cin >> order;) {
        dim_t count = 0;
        if ((order != "step" && order != "profile") || !(std::cin >> count)) return;
        if (order == "step") {
            std::cout << seconds_of(steps, count) << std::endl;
            continue;
        }
        train::profile times;
        steps.measure(&times);
        seconds_of(steps, count);
        steps.measure(nullptr);
        std::cout << nlohmann::json{{"arch", simd::native_arch::name},
                                    {"products_share", times.product_seconds() / times.seconds()},
                                    {"peak_memory_mib", status_mib("VmHWM") - memory_before}}
                  << std::endl;
    }
}

int run(int argc, char** argv) {
    std::string network = "resnet50", precision = "dfp16";
    dim_t batch = 8, count = 3;
    int threads = 1;
    bool orders = false;
    CLI::App app{"Where the time of training steps goes"};
    app.add_option("--network", network, "alexnet, cifar-resnet20, googlenet, resnet50 or vgg16")
        ->capture_default_str();
    app.add_option("--precision", precision)->check(CLI::IsMember({"fp32", "dfp16"}))->capture_default_str();
    app.add_option("--batch", batch, "images of a step")->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--threads", threads)->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_option("--steps", count, "that are measured, after two others")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_flag("--serve", orders, "take orders from standard input");
    CLI11_PARSE(app, argc, argv);

    const double memory_before = status_mib("VmRSS");
    thread_pool pool(threads);
    const nn::network net = benchmark_network(network);
    const auto steps = precision == "fp32" ? make_timed_steps<float>(net, batch, pool)
                                           : make_timed_steps<std::int16_t>(net, batch, pool);
    seconds_of(*steps, 2); // exponents, packed weights and caches are as in later steps
    if (orders) {
        serve(*steps, memory_before);
        return 0;
    }
    const double seconds = seconds_of(*steps, count);
    train::profile times;
    steps->measure(&times);
    seconds_of(*steps, count);
    std::cout << times.table(count);
    std::printf("%s, %s, batch %td, %d thread%s, %s: %.1f images/s; tensors %.0f MiB, memory %.0f MiB\n",
                network.c_str(), precision.c_str(), batch, threads, threads == 1 ? "" : "s", simd::native_arch::name,
                static_cast<double>(count * batch) / seconds, static_cast<double>(steps->tensor_bytes()) / (1 << 20),
                status_mib("VmHWM") - memory_before);
    return 0;
}
} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
