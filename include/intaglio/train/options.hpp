// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a training plan is told beside its network: how tensors become storage, which layers stay FP32. The defaults are
// this library's numerics: everything multiplies in integers; what products read keeps 13 magnitude bits, as in the
// paper, since sums of 15-bit products leave INT32 every thirty products or so (docs/decisions/0024-head-room.md); what
// products write has all 15. paper_options are those of Das et al.

#include <string>
#include <variant>
#include <vector>

#include "intaglio/conv/algorithm.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/quantize/dfp.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

/// How tensors become storage; of no meaning for floats.
struct storage_options {
    dfp_spec operands{.bits = 16, .head_room = 2}; ///< what products read: activations and gradients
    dfp_spec weights{.bits = 16, .head_room = 2};
    dfp_spec products{.bits = 16, .head_room = 0}; ///< what products write
    bool dither_gradients = true; ///< else rounded to nearest, which loses what is below half a unit (gradient.hpp)
};

struct plan_options {
    storage_options storage{};
    std::vector<std::string> in_float{};           ///< convolutions and linear layers whose products stay FP32
    algorithm convolutions = algorithm::automatic; ///< of no influence on results, only on speed
    std::uint64_t seed = 0;                        ///< of dropout and dither
    bool keep_tensors = false; ///< tensors share no memory, so that all can be looked at after a step
};

/// The names of the first and the last convolution or linear layer of a network and of its auxiliary classifiers.
inline std::vector<std::string> first_and_classifiers(const nn::network& net) {
    std::vector<std::string> names;
    for (const nn::node& n : net.nodes)
        if (names.empty() && std::holds_alternative<nn::op::convolution>(n.op)) names.push_back(n.name);
    for (const nn::network_output& o : net.outputs) names.push_back(net.nodes[o.node].name);
    return names;
}

/// The paper's recipe (arXiv 1802.00930): two bits of head-room, the first layer and the classifier in FP32.
inline plan_options paper_options(const nn::network& net) {
    return {.storage = {.operands = {16, 2}, .weights = {16, 2}, .products = {16, 0}},
            .in_float = first_and_classifiers(net)};
}

} // namespace intaglio::inline INTAGLIO_ABI::train
