// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks of the benchmarks of training, by the names that peer.py has for the same ones, with their usual batch.

#include <string>

#include "intaglio/models/alexnet.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/vgg.hpp"

namespace intaglio::inline INTAGLIO_ABI {

struct benchmark_network {
    const char* name;
    nn::network (*make)();
    dim_t batch;
};

inline const benchmark_network benchmark_networks[] = {
    {"resnet50", [] { return models::resnet(50); }, 8},
    {"googlenet", [] { return models::googlenet({.batch_norm = true, .auxiliary = false}); }, 8},
    {"vgg16", [] { return models::vgg(16); }, 8},
    {"alexnet", [] { return models::alexnet(); }, 16},
    {"cifar-resnet20", [] { return models::cifar_resnet(20); }, 128},
    {"googlenet-paper", [] { return models::googlenet(); }, 8}, ///< as published; torchvision has none
};

} // namespace intaglio::inline INTAGLIO_ABI
