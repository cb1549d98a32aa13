// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks of the benchmark of inference: trained ones, where their weights lie beside the source tree, and true
// shapes with random weights for size and time. And the codings in which each is measured.

#include <algorithm>
#include <string>
#include <vector>

#include "intaglio/core/error.hpp"
#include "intaglio/infer/weight_coding.hpp"
#include "intaglio/infer/weight_memory.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/vgg.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct inference_network {
    std::string name;
    nn::network (*make)();
    std::string weights{}; ///< a file in the folder of models; empty: random ones
    bool quick = true;     ///< part of a quick run
    bool cifar = false;    ///< its accuracy is measured on CIFAR-10's test images
    float scale = 1.0F / 255;
    std::vector<float> mean{0.485F, 0.456F, 0.406F}, deviation{0.229F, 0.224F, 0.225F};
};

inline const std::vector<inference_network>& inference_networks() {
    static const std::vector<inference_network> list{
        {"resnet20", [] { return models::cifar_resnet(20); }, "resnet20-cifar10.safetensors", true, true},
        {"resnet44", [] { return models::cifar_resnet(44); }, "resnet44-cifar10.safetensors", false, true},
        {"resnet50",
         [] { return models::resnet(50, {.stride_in_first = true, .epsilon = 1e-3}); },
         "resnet50-imagenet.safetensors",
         true,
         false,
         1,
         {123.68F, 116.779F, 103.939F},
         {1}},
        {"googlenet", [] { return models::googlenet({.batch_norm = true, .auxiliary = false}); }},
        {"vgg16", [] { return models::vgg(16); }, {}, false},
        {"resnet101", [] { return models::resnet(101); }, {}, false},
    };
    return list;
}

/// A file of the benchmark, in a form of memory: its levels are rows.
struct inference_coding {
    std::string name;
    infer::weight_coding coding;
    double size = 0, memory_size = 0;
    int levels = 1;
    infer::weight_memory memory = infer::weight_memory::fast;
    std::string file{}; ///< of the coding of that name, which comes before; empty: its own
};

/// Of trained networks all are measured; of random weights, whose sensitivities say nothing, those without a size, and
/// quickly just two, which differ in their kernels. Quickly a large network has no coding that another one's kernels
/// run, and one budget.
inline std::vector<inference_coding> inference_codings(const inference_network& network, bool trained, bool quick) {
    using infer::coding_family, infer::weight_memory;
    std::vector<inference_coding> list;
    const auto add = [&](const std::string& name) -> inference_coding& {
        list.emplace_back().name = name;
        return list.back();
    };
    const bool all_kinds = !quick || network.cifar;
    add("8-8").memory = weight_memory::bytes;
    infer::weight_coding& steps = add("feedback").coding;
    steps.step = 0.7, steps.feedback = trained;
    if (all_kinds) {
        add("greedy").coding.family = coding_family::greedy;
        list.back().coding.planes = 2;
        add("int4").coding.family = coding_family::int4;
    }
    if (!trained) return list;
    if (all_kinds) {
        inference_coding& in_memory = add("memory 2.1x");
        in_memory.memory_size = 2.1, in_memory.memory = weight_memory::small;
    }
    inference_coding& dial = add("dial");
    dial.size = 3.5, dial.levels = quick ? 3 : 4;
    list.push_back(inference_coding(dial));
    list.back().name = "dial, small", list.back().memory = weight_memory::small, list.back().file = "dial";
    if (!quick) add("feedback 2.4x").size = 2.4;
    return list;
}

/// Images whose answers are counted, and noise images that a conversion measures (0: as many as it likes).
inline dim_t images_of(bool cifar, bool quick) { return cifar ? (quick ? 500 : 5000) : quick ? 50 : 500; }
inline dim_t noise_of(const inference_network& network, bool trained, bool quick) {
    return trained && !quick ? 0 : network.cifar ? 100 : 4;
}

/// What a quick run does without, for the reader of its tables.
inline std::vector<std::string> left_out_of_quick() {
    std::vector<std::string> list;
    for (const inference_network& network : inference_networks()) {
        if (!network.quick) {
            list.push_back(network.name);
            continue;
        }
        const bool trained = !network.weights.empty();
        std::string codings;
        const std::vector<inference_coding> quick = inference_codings(network, trained, true);
        for (const inference_coding& c : inference_codings(network, trained, false))
            if (std::none_of(quick.begin(), quick.end(), [&](const auto& q) { return q.name == c.name; }))
                codings += join(codings.empty() ? "" : ", ", c.name);
        list.push_back(join(network.name, "'s ", codings));
    }
    list.push_back(join("the fourth level of dials; all but ", images_of(true, true), " of ", images_of(true, false),
                        " images of CIFAR-10 and ", images_of(false, true), " of ", images_of(false, false),
                        " of ImageNet; long measurements of noise"));
    return list;
}

} // namespace intaglio::inline INTAGLIO_ABI
