// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks of `bench training`, by the names that peer.py has for the same ones.

#include <string>

#include "intaglio/models/alexnet.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/vgg.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Throws value_error for another name.
inline nn::network benchmark_network(const std::string& name) {
    if (name == "alexnet") return models::alexnet();
    if (name == "cifar-resnet20") return models::cifar_resnet(20);
    if (name == "googlenet") return models::googlenet({.batch_norm = true, .auxiliary = false});
    if (name == "resnet50") return models::resnet(50);
    if (name == "vgg16") return models::vgg(16);
    fail<value_error>("no network is called '", name,
                      "'; there are alexnet, cifar-resnet20, googlenet, resnet50 and vgg16");
}

} // namespace intaglio::inline INTAGLIO_ABI
