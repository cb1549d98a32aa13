// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tables as text, the first column to the left and all others to the right, and the one of a file's levels.

#include <cstdio>
#include <string>
#include <vector>

#include "intaglio/io/model_file.hpp"

namespace ternary {

class table {
public:
    explicit table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    void print(std::FILE* file) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

/// A number with so many digits behind the point.
std::string fixed(double value, int digits);

/// The bytes of the whole network in 8-8: a byte for each weight, and what each product has beside its codes.
intaglio::dim_t bytes_in_8_8(const intaglio::infer::coded_network& network);

/// The bytes of the file when it ends behind this level.
intaglio::dim_t bytes_until(const intaglio::io::loaded_model& file, int level);

/// Of each level: planes for a weight, bytes in the file, how many times smaller than 8-8.
void print_levels(const intaglio::io::loaded_model& file);

} // namespace ternary
