// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the program can do: each verb with its options, which main.cpp reads.

#include <optional>
#include <string>
#include <vector>

#include "intaglio/core/extents.hpp"
#include "intaglio/infer/weight_memory.hpp"

namespace ternary {

using intaglio::dim_t;

/// What the user says about images; the network's own values otherwise.
struct image_values {
    std::optional<float> scale;
    std::vector<float> mean, deviation; ///< in units of scaled bytes
};

struct ternarize_options {
    std::string model, network, output, json;
    double size = 0, memory_size = 0, step = 0, error = 0,
           ms = 0;      ///< at most one is given; all 0: as `coding` says, 8-8 by default
    std::string coding; ///< a name of main.cpp's list; empty: feedback where there is a size or step
    dim_t block = 64;
    int levels = 1, planes = 0; ///< of planes, 0: what is usual for the coding
    dim_t noise = 0, classes = 0;
    std::string calibrate; ///< a folder, or data as train takes them
    bool feedback = true, correct_bias = true, ends_in_bytes = true;
    int threads = 1;
    image_values values;
};

struct classify_options {
    std::string model, memory = "fast"; ///< a name of main.cpp's list
    std::vector<std::string> images;
    std::string data, reference, fp32, level = "last";
    std::vector<std::string> beside; ///< other files of the network
    dim_t limit = 0, batch = 8;
    dim_t resize = 0; ///< shorter side of images before the crop in the middle; 0: 8/7 of the network's
    int top = 5, threads = 1;
    bool confusion = false;
    double confident = 0; ///< margin of shares below which the coarsest level is not sure; 0: no such run
    std::string chart;    ///< SVG to write; empty: none
};

struct inspect_options {
    std::string model, memory = "fast";
};

/// How weights wait in memory, by its name.
intaglio::infer::weight_memory memory_of(const std::string& name);

int ternarize(const ternarize_options& asked);
int classify(const classify_options& asked);
int inspect(const inspect_options& asked);

} // namespace ternary
