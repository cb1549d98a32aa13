// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that a command line leads to, resolved and checked before any training: data, network, recipe, folder, and
// the settings that a checkpoint is compared by.

#include <memory>
#include <string>

#include "data_choice.hpp"
#include "intaglio/io/training_checkpoint.hpp"
#include "model.hpp"
#include "network_choice.hpp"

namespace training {

struct session {
    options asked;
    const network_choice* choice = nullptr;
    image_size images;
    opened_data data;
    intaglio::nn::network network; ///< with the label smoothing of its training
    recipe how;
    course rates;
    std::string folder;

    std::string checkpoint() const { return folder + "/checkpoint.safetensors"; }
    std::string title() const { return choice->name + " " + asked.precision; }
};

/// Throws, with the remedy in the text, for whatever does not fit.
session open_session(const options& asked, intaglio::executor_ref exec);

/// What must be the same for the next steps to be the same, by flag.
intaglio::io::training_settings settings_of(const session& s);

/// The network of a session in its number format: with first weights from the seed, for batches of the recipe.
std::unique_ptr<model> make_model(const session& s, intaglio::executor_ref exec);
/// With given weights, and for tests alone: without dropout and auxiliary classifiers.
std::unique_ptr<model> make_tester(const session& s, const std::string& weights, intaglio::executor_ref exec);

} // namespace training
