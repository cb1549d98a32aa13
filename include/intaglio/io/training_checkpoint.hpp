// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training in a file, whole: a safetensors file whose parameters have PyTorch's names and layouts, so that every
// reader of a network's weights reads it too, and beside them
//
//   momentum.NAME        the velocity of each trained parameter, in the same layout
//   training.exponents   int32, those that int16 storage keeps from step to step
//   training.sums        double, what the caller adds up from step to step
//   metadata             training.format, training.step, training.hash (of all values), and the settings, each under
//                        its own key with "setting." before it
//
// Files are replaced atomically (atomic_file.hpp), so that a process that is killed leaves the last one whole. What was
// changed since is told: by the reader of the format where sizes don't fit, by the hash where a value is another.

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/io/safetensors_writer.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/pytorch_layout.hpp"
#include "intaglio/train/training_state.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// What a training was told, by name: whatever must be the same for its next steps to be the same.
using training_settings = std::map<std::string, std::string>;

struct training_checkpoint {
    train::training_state state;
    training_settings settings;
    std::vector<double> sums{};
};

namespace detail {

inline constexpr const char* training_format = "1";

/// Of all that goes on: not against malice, but a byte that changed changes it.
class value_hash {
public:
    void add(std::span<const std::byte> bytes) {
        for (std::size_t at = 0; at < bytes.size(); at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
            sum_ = std::rotl((sum_ ^ word) * 0x9E3779B97F4A7C15u, 29); // one to one for each word
        }
        sum_ = std::rotl((sum_ ^ bytes.size()) * 0xBF58476D1CE4E5B9u, 31);
    }
    template <class Numbers>
    void add_numbers(const Numbers& numbers) {
        add(std::as_bytes(std::span(numbers.data(), static_cast<std::size_t>(numbers.size()))));
    }
    std::string text() const {
        char digits[17] = {};
        for (int i = 0; i < 16; ++i) digits[i] = "0123456789abcdef"[sum_ >> (60 - 4 * i) & 15];
        return digits;
    }

private:
    std::uint64_t sum_ = 0;
};

inline std::string hash_of(const training_checkpoint& c) {
    value_hash hash;
    for (std::size_t i = 0; i < c.state.parameters.count(); ++i) hash.add_numbers(c.state.parameters[i]);
    for (const tensor<float>& v : c.state.velocities) hash.add_numbers(v);
    hash.add_numbers(c.state.exponents);
    hash.add_numbers(c.sums);
    hash.add_numbers(join(c.state.step));
    for (const auto& [name, value] : c.settings) hash.add_numbers(name), hash.add_numbers(value);
    return hash.text();
}

} // namespace detail

/// Replaces a file by one that holds the training. value_error, and the old file stays, where the state is not that of
/// the network or has parameters that are not finite: no good state is replaced by a spoilt one. Otherwise throws as
/// safetensors_writer::write does.
inline void save_training(const std::string& path, const nn::network& net, const training_checkpoint& training) {
    const train::training_state& state = training.state;
    const std::string spoilt = train::first_not_finite(state.parameters);
    require<value_error>(spoilt.empty(), path, ": is not replaced, since '", spoilt,
                         "' has values that are not finite; lower the learning rate");
    require<value_error>(state.velocities.size() == state.parameters.count(), path, ": ", state.velocities.size(),
                         " velocities for ", state.parameters.count(), " parameters");
    safetensors_writer file;
    add_parameters(file, net, state.parameters);
    const std::vector<nn::pytorch_layout> layouts = nn::pytorch_layouts(net);
    for (std::size_t i = 0; i < state.parameters.count(); ++i) {
        const nn::parameter_spec& spec = state.parameters.spec(i);
        if (spec.trained) file.add("momentum." + spec.name, nn::to_pytorch(state.velocities[i], layouts[i], spec));
    }
    const auto count = [](const auto& list) { return extents{static_cast<dim_t>(list.size())}; };
    file.add<std::int32_t>("training.exponents", count(state.exponents), state.exponents);
    file.add<double>("training.sums", count(training.sums), training.sums);
    file.set_metadata("training.format", detail::training_format);
    file.set_metadata("training.step", join(state.step));
    file.set_metadata("training.hash", detail::hash_of(training));
    for (const auto& [name, value] : training.settings) file.set_metadata("setting." + name, value);
    file.write(path, tensor_alignment::element);
}

/// The settings of a training's file, without its tensors. file_error if it is none.
inline training_settings settings_of(const safetensors_file& file) {
    const auto format = file.metadata("training.format");
    require<file_error>(format.has_value(), file.name(),
                        ": is no checkpoint of a training: its metadata have no 'training.format'");
    require<file_error>(*format == detail::training_format, file.name(), ": is a checkpoint of format '", *format,
                        "', this program reads '", detail::training_format, "'");
    training_settings settings;
    constexpr std::string_view prefix = "setting.";
    for (const auto& [key, value] : file.metadata())
        if (key.starts_with(prefix)) settings.emplace(key.substr(prefix.size()), value);
    return settings;
}

/// The training of a network. file_error, which names what is wrong, where the file is not one of that network, or is
/// not as it was written.
inline training_checkpoint load_training(const safetensors_file& file, const nn::network& net) {
    training_checkpoint training{.state = {}, .settings = settings_of(file)};
    train::training_state& state = training.state;
    state.parameters = load_parameters(file, net, {.allow_more = true});
    const std::vector<nn::pytorch_layout> layouts = nn::pytorch_layouts(net);
    for (std::size_t i = 0; i < layouts.size(); ++i) {
        const nn::parameter_spec& spec = state.parameters.spec(i);
        state.velocities.push_back(
            spec.trained
                ? nn::from_pytorch(file.get<float>("momentum." + spec.name, layouts[i].shape), layouts[i], spec)
                : tensor<float>(extents{0}));
    }
    const auto numbers = [&]<class N>(N, const char* name) {
        const tensor<N> stored = file.get<N>(name);
        return std::vector<N>(stored.begin(), stored.end());
    };
    state.exponents = numbers(std::int32_t{}, "training.exponents");
    training.sums = numbers(double{}, "training.sums");
    const std::string_view step = file.metadata("training.step").value_or("");
    const auto [end, fault] = std::from_chars(step.data(), step.data() + step.size(), state.step);
    require<file_error>(fault == std::errc{} && end == step.data() + step.size() && state.step >= 0, file.name(),
                        ": its step is '", step, "', expected a number");
    require<file_error>(file.metadata("training.hash").value_or("") == detail::hash_of(training), file.name(),
                        ": is damaged: its values are not those that were written");
    return training;
}
inline training_checkpoint load_training(const std::string& path, const nn::network& net) {
    return load_training(safetensors_file::map(path), net);
}

/// file_error unless a file's settings are those of a training that would go on from it, with the first that differs
/// and both sides.
inline void require_same_settings(const std::string& path, const training_settings& saved,
                                  const training_settings& now) {
    const auto differ = [&](const std::string& name, const std::string& before, const std::string& here) {
        fail<file_error>(path, ": was made with ", name, ' ', before, ", this training has ", name, ' ', here,
                         "; a training goes on with the settings that it began with");
    };
    for (const auto& [name, value] : now) {
        const auto found = saved.find(name);
        if (found == saved.end() || found->second != value)
            differ(name, found == saved.end() ? "unknown" : found->second, value);
    }
    for (const auto& [name, value] : saved)
        if (!now.contains(name)) differ(name, value, "unknown");
}

} // namespace intaglio::inline INTAGLIO_ABI::io
