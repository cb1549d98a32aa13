// SPDX-License-Identifier: Apache-2.0
//
// The benchmark of inference in two halves, since peers read their number of threads when a process starts; compare.py
// runs both and joins their rows.
//
//   inference names         the networks, and what a quick run does without
//   inference prepare ..    converts networks, writes their files, measures sizes and accuracies
//   inference serve ..      a network at every level, FP32 and oneDNN on a number of threads, on demand (server.hpp)

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "inference/server.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/simd/native.hpp"
#include "peers.hpp"

int main(int argc, char** argv) {
    using namespace intaglio;
    CLI::App app("Inference of whole networks");
    app.require_subcommand(1);
    inference_places places{"../shared/models", "../shared/data", "build/bench/inference", false};
    std::vector<std::string> names, all;
    for (const inference_network& n : inference_networks()) all.push_back(n.name);
    int threads = 1;
    app.add_option("--network", names, "all if left out")->check(CLI::IsMember(all));
    app.add_option("--models", places.models)->capture_default_str();
    app.add_option("--data", places.data)->capture_default_str();
    app.add_option("--out", places.out, "folder of the files")->capture_default_str();
    app.add_option("--threads", threads)->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_flag("--quick", places.quick, "fewer networks, codings and images");
    app.add_subcommand("prepare", "convert, and measure all but time")->fallthrough();
    const CLI::App* const names_only = app.add_subcommand("names", "print the networks")->fallthrough();
    const CLI::App* const server = app.add_subcommand("serve", "run one network on demand")->fallthrough();
    CLI11_PARSE(app, argc, argv);
    try {
        if (names_only->parsed()) {
            nlohmann::ordered_json list{{"networks", nlohmann::ordered_json::array()},
                                        {"left_out", nlohmann::ordered_json::array()}};
            for (const inference_network& n : inference_networks())
                if (!places.quick || n.quick) list["networks"].push_back(n.name);
            if (places.quick) list["left_out"] = left_out_of_quick();
            std::cout << list.dump() << '\n';
            return 0;
        }
        const char* const peer_threads = std::getenv("OMP_NUM_THREADS");
        require<value_error>(!server->parsed() || (peer_threads && std::to_string(threads) == peer_threads),
                             "--threads ", threads, ", but peers take OMP_NUM_THREADS, which is ",
                             peer_threads ? peer_threads : "not set", "; set it to the same");
        require<value_error>(!server->parsed() || names.size() == 1, "serve: takes one --network");
        peers::hold_to_arch(simd::native_arch::name);
        thread_pool pool(threads);
        nlohmann::ordered_json rows = nlohmann::ordered_json::array();
        for (const inference_network& n : inference_networks()) {
            if (names.empty() ? places.quick && !n.quick : std::count(names.begin(), names.end(), n.name) == 0)
                continue;
            if (server->parsed()) {
                serve(n, places, pool);
                return 0;
            }
            for (const auto& row : prepare(n, places, pool)) rows.push_back(row);
        }
        std::cout << rows.dump() << '\n';
        return 0;
    } catch (const std::exception& fault) {
        std::cerr << "inference: " << fault.what() << '\n';
        return 1;
    }
}
