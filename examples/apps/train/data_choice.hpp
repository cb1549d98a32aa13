// SPDX-License-Identifier: Apache-2.0
#pragma once

// The data that the program is told to train on: what --data says, opened and checked, with the transforms that its
// images take on their way to a network.

#include <memory>
#include <optional>
#include <string>

#include "intaglio/core/parallel.hpp"
#include "intaglio/data/image_set.hpp"
#include "intaglio/data/transform.hpp"
#include "network_choice.hpp"

namespace training {

/// KIND:PATH taken apart.
struct data_request {
    std::string kind; ///< cifar10, fashion, digits, images, synthetic
    std::string path;
};

struct opened_data {
    std::string kind;
    std::shared_ptr<const void> owner; ///< of the sets
    std::optional<intaglio::data::image_source> train, test;
    intaglio::data::transform augmented, plain;

    /// What is tested: the test images, or all where there are none.
    const intaglio::data::image_source& tested() const { return test ? *test : *train; }
};

/// value_error for a kind that does not exist.
data_request parse_data(const std::string& text);

/// The size of its images, known before anything is read; 0 where they come in all sizes.
image_size size_of(const data_request& request);

/// Reads it, or lists and checks its files, for images of such a size. Throws file_error, which names file and place,
/// for whatever is missing or damaged. `classes`: of synthetic images; `shorter_side`: to
/// which a folder's images are resized in a test.
opened_data open_data(const data_request& request, const image_size& images, dim_t classes, dim_t shorter_side,
                      intaglio::executor_ref exec);

/// For --help.
std::string describe_data();

} // namespace training
