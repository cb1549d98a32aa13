// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks of the benchmark of inference: trained ones, where their weights lie beside the source tree, and true
// shapes with random weights for size and time. And the codings in which each is measured.

#include <string>
#include <vector>

#include "intaglio/infer/weight_coding.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/vgg.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct inference_network {
    std::string name;
    nn::network (*make)();
    std::string weights{}; ///< a file in the folder of models; empty: random ones
    bool cifar = false;    ///< its accuracy is measured on CIFAR-10's test images
    float scale = 1.0F / 255;
    std::vector<float> mean{0.485F, 0.456F, 0.406F}, deviation{0.229F, 0.224F, 0.225F};
};

inline const std::vector<inference_network>& inference_networks() {
    static const std::vector<inference_network> list{
        {"resnet20", [] { return models::cifar_resnet(20); }, "resnet20-cifar10.safetensors", true},
        {"resnet44", [] { return models::cifar_resnet(44); }, "resnet44-cifar10.safetensors", true},
        {"resnet50",
         [] { return models::resnet(50, {.stride_in_first = true, .epsilon = 1e-3}); },
         "resnet50-imagenet.safetensors",
         false,
         1,
         {123.68F, 116.779F, 103.939F},
         {1}},
        {"googlenet", [] { return models::googlenet({.batch_norm = true, .auxiliary = false}); }},
        {"vgg16", [] { return models::vgg(16); }},
        {"resnet101", [] { return models::resnet(101); }},
    };
    return list;
}

/// A file of the benchmark: its levels are rows.
struct inference_coding {
    std::string name;
    infer::weight_coding coding;
    double size = 0;
    int levels = 1;
};

/// Of trained networks all are measured; of random weights, whose sensitivities say nothing, those without a size.
inline std::vector<inference_coding> inference_codings(bool trained, bool quick) {
    using infer::coding_family;
    std::vector<inference_coding> list{{"8-8", {}},
                                       {"feedback", {.step = 0.7, .feedback = trained}},
                                       {"greedy", {.family = coding_family::greedy, .planes = 2}},
                                       {"int4", {.family = coding_family::int4}}};
    if (trained) list.push_back({"dial", {}, 3.5, quick ? 3 : 4});
    if (trained && !quick) list.push_back({"feedback 2.4x", {}, 2.4});
    return list;
}

} // namespace intaglio::inline INTAGLIO_ABI
