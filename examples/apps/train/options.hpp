// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user asks for on the command line. Whatever is left open has a default that depends on the network
// (recipe.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"

namespace training {

using intaglio::dim_t;

struct options {
    std::string network = "digits_cnn";
    std::string data; ///< empty: the network's usual one
    std::string precision = "dfp16";
    std::optional<int> bits, head_room;   ///< of DFP16
    std::optional<std::string> gradients; ///< "dither", "nearest"
    std::vector<std::string> in_float;    ///< layers
    std::optional<dim_t> image_size, resize, classes;
    bool augment = true;

    std::optional<dim_t> batch, epochs, steps;
    std::optional<std::string> schedule;
    std::vector<double> milestones; ///< epochs
    std::optional<double> rate, momentum, weight_decay, label_smoothing, warmup;
    std::optional<bool> nesterov;
    bool decay_all = false;
    std::uint64_t seed = 1;

    int threads = 1, loader_threads = 1;
    std::string save; ///< empty: a folder named after network, data, precision and seed
    double save_minutes = 5;
    dim_t report_every = 0; ///< steps; 0: a hundred reports in all
    dim_t test_every = 1;   ///< epochs; 0: never
    bool resume = false, profile = false;
    std::string from;                 ///< a file of weights to begin with
    std::string draw;                 ///< a file, to draw the curves of `folders` into instead of training
    std::vector<std::string> folders; ///< of trainings
    std::string evaluate;             ///< a file of weights, to test instead of training
};

/// Reads the command line. None where the program should end with `status`: after --help, or with a fault that was
/// printed.
std::optional<options> read_options(int argc, char** argv, int& status);

} // namespace training
