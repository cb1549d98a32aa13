// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parameters of a network, running statistics included, as a safetensors file under their own names.

#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/io/safetensors_writer.hpp"
#include "intaglio/nn/sequential.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// Writes all parameters, atomically, and no tensor else: a file for any program that knows the names.
inline void save_parameters(nn::sequential& network, const std::string& path) {
    safetensors_writer writer;
    for (const nn::parameter* p : network.parameters()) writer.add(p->name, p->value);
    writer.write(path, tensor_alignment::element);
}

/// Reads all parameters; tensors of the file that the network does not have are ignored. file_error where one is
/// missing or has another shape, and then the network is as it was.
inline void load_parameters(nn::sequential& network, const std::string& path) {
    const safetensors_file file = safetensors_file::read(path);
    std::vector<tensor<float>> values;
    const auto parameters = network.parameters();
    for (const nn::parameter* p : parameters) values.push_back(file.get<float>(p->name, p->value.shape()));
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i]->value = std::move(values[i]);
}

} // namespace intaglio::inline INTAGLIO_ABI::io
