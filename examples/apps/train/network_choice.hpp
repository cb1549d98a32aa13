// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks that the program knows by name: each with the images that it takes, its usual data, its recipe, and how
// its weights begin.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "intaglio/core/extents.hpp"
#include "intaglio/data/transform.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network.hpp"
#include "recipe.hpp"

namespace training {

/// Of an image; 0: any.
struct image_size {
    dim_t height = 0, width = 0, channels = 0;

    friend bool operator==(const image_size&, const image_size&) = default;
    std::string to_string() const;
};

struct network_choice {
    std::string name;
    image_size takes{};       ///< 0 where it takes the data's
    bool any_size = false;    ///< whether --image-size may change it
    std::string usual_data{}; ///< empty: it must be given
    recipe how{};
    intaglio::nn::he_options first_weights{};
    std::optional<intaglio::data::normalization> values{}; ///< of photographs, where it takes others than most
    std::function<intaglio::nn::network(const image_size& images, dim_t classes)> build{};
};

/// value_error, which lists the names, if there is none of that name.
const network_choice& find_network(const std::string& name);

/// For --help.
std::string describe_networks();

} // namespace training
