// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parameters of a network in a safetensors file, under PyTorch's names and in PyTorch's layouts: what a state dict
// holds, so files go both ways. Batch norm's `num_batches_tracked` is neither written nor read.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/io/safetensors_writer.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/pytorch_layout.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

namespace detail {

/// "a, b, c and 7 more".
inline std::string first_names(const std::vector<std::string>& names) {
    constexpr std::size_t shown = 5;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < shown; ++i) text += (i == 0 ? "" : ", ") + names[i];
    return names.size() > shown ? join(text, " and ", names.size() - shown, " more") : text;
}

} // namespace detail

struct parameter_file_options {
    bool allow_more = false; ///< tensors that the network lacks, such as those of auxiliary classifiers
};

/// The parameters of a network from a file. Throws file_error, which names the file and both sides, where the file
/// lacks a tensor, has one that the network lacks, or has one of another shape.
inline nn::parameters load_parameters(const safetensors_file& file, const nn::network& net,
                                      const parameter_file_options& options = {}) {
    nn::parameters weights(net);
    const std::vector<nn::pytorch_layout> layouts = nn::pytorch_layouts(net);
    std::vector<std::string> missing, superfluous;
    std::set<std::string_view> known;
    for (const nn::parameter_spec& spec : weights.specs()) {
        known.insert(spec.name);
        if (!file.contains(spec.name)) missing.push_back(spec.name);
    }
    for (const tensor_info& stored : file.tensors())
        if (known.count(stored.name) == 0 && !stored.name.ends_with(".num_batches_tracked"))
            superfluous.emplace_back(stored.name);
    if (options.allow_more) superfluous.clear();
    if (!missing.empty() || !superfluous.empty()) {
        std::string text = file.name() + ": does not fit the network";
        if (!missing.empty())
            text += join("; it lacks ", missing.size(), " of its tensors (", detail::first_names(missing), ')');
        if (!superfluous.empty())
            text += join("; it has ", superfluous.size(), " that the network lacks (", detail::first_names(superfluous),
                         ')');
        throw file_error(text);
    }
    for (std::size_t i = 0; i < weights.count(); ++i) {
        const nn::parameter_spec& spec = weights.spec(i);
        weights[i] = nn::from_pytorch(file.get<float>(spec.name, layouts[i].shape), layouts[i], spec);
    }
    return weights;
}

/// The same by the file's path.
inline nn::parameters load_parameters(const std::string& path, const nn::network& net,
                                      const parameter_file_options& options = {}) {
    return load_parameters(safetensors_file::map(path), net, options);
}

/// Adds the parameters of a network to a file that is being made, in FP32.
inline void add_parameters(safetensors_writer& file, const nn::network& net, const nn::parameters& weights) {
    const std::vector<nn::pytorch_layout> layouts = nn::pytorch_layouts(net);
    require<value_error>(weights.specs() == nn::parameter_specs(net),
                         "parameters file: the parameters are those of another network");
    for (std::size_t i = 0; i < weights.count(); ++i)
        file.add<float>(weights.spec(i).name, nn::to_pytorch(weights[i], layouts[i], weights.spec(i)));
}

/// Replaces a file by one that holds the parameters, and no other tensor. Throws as safetensors_writer::write does.
inline void save_parameters(const std::string& path, const nn::network& net, const nn::parameters& weights) {
    safetensors_writer file;
    add_parameters(file, net, weights);
    file.write(path, tensor_alignment::element);
}

} // namespace intaglio::inline INTAGLIO_ABI::io
