// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a peer needs beside a model file to run the same network: the weights of a level without entropy coding, and
// some images with our own logits, as a safetensors file that any reader of that format takes (onnx_model.py). The
// graph and the steps of activations are in the model file's text (docs/model-file.md).
//
//   NODE.codes, NODE.steps, NODE.bias   of each product: weight(o, k) = steps[o] * codes(o, k), taps before channels
//   images, logits                      batch x height x width x channels, batch x classes

#include <string>

#include "intaglio/infer/coded_network.hpp"
#include "intaglio/io/safetensors_writer.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI {

inline void write_plain_weights(const std::string& path, const infer::coded_network& network, int level,
                                const tensor<float>& images, const tensor<float>& logits) {
    io::safetensors_writer file;
    for (const std::size_t i : infer::products_of(network.net)) {
        const std::string& name = network.net.nodes[i].name;
        const int planes = network.planes_at(level, i);
        const infer::channel_codes weights = infer::sum_of_planes(*network.products[i], planes);
        const std::vector<float> bias = network.products[i]->planes[static_cast<std::size_t>(planes - 1)].bias.values();
        file.add(name + ".codes", weights.codes);
        file.add<float>(name + ".steps", {std::ssize(weights.steps)}, weights.steps);
        file.add<float>(name + ".bias", {std::ssize(bias)}, bias);
    }
    file.add("images", images);
    file.add("logits", logits);
    file.write(path);
}

} // namespace intaglio::inline INTAGLIO_ABI
