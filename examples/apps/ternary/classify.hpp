// SPDX-License-Identifier: Apache-2.0
#pragma once

// What classify's two halves share: images of files (classify.cpp) and labelled ones (accuracy.cpp).

#include <string>
#include <vector>

#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/simd/native.hpp"
#include "verbs.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>; // kernels.cpp

namespace ternary {

/// A file, and the network in it, ready to run.
struct opened_model {
    intaglio::io::loaded_model file;
    intaglio::infer::integer_network net;

    opened_model(const std::string& path, intaglio::infer::weight_memory memory, intaglio::executor_ref exec)
        : file(intaglio::io::load_model(path)), net(file.model.network, exec, memory) {}

    const intaglio::io::model_description& about() const { return file.model.description; }
    const std::string& level_name(int level) const { return about().levels[static_cast<std::size_t>(level - 1)]; }
};

/// The levels that a number, a name, "last" or "all" means; value_error where there is none.
std::vector<int> levels_of(const std::string& wanted, const opened_model& model);

/// Of a class, or its number where the file has no names.
std::string name_of(const intaglio::io::model_description& about, dim_t c);

/// To which the shorter side of a large image is brought before the middle is cut out.
dim_t shorter_side(const classify_options& asked, const intaglio::extents& image);

/// Runs labelled images and prints how often each level is right.
void measure_accuracy(const classify_options& asked, const opened_model& model, intaglio::executor_ref exec);

} // namespace ternary
