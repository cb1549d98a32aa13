// SPDX-License-Identifier: Apache-2.0
#pragma once

// Steps on demand, so that compare.py can let them and their peers take turns. It says "ready" and what its first usual
// step took; then orders come on standard input: "step N" is answered by the seconds that N steps took, "profile N" by
// a line of JSON, anything else ends it.

#include <chrono>
#include <fstream>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "intaglio/simd/arch.hpp"
#include "training/steps.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// A line of /proc/self/status in MiB; 0 where there is no such file.
inline double status_mib(const std::string& name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.rfind(name + ":", 0) == 0) return std::stod(line.substr(name.size() + 1)) / 1024;
    return 0;
}

inline double seconds_of(timed_steps& steps, dim_t count) {
    const auto start = std::chrono::steady_clock::now();
    for (dim_t i = 0; i < count; ++i) steps.step();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// `memory_before`: MiB before the network was made.
inline void serve(timed_steps& steps, double memory_before) {
    seconds_of(steps, steps.first_steps());
    std::cout << "ready " << seconds_of(steps, 1) << std::endl;
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

} // namespace intaglio::inline INTAGLIO_ABI
