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

/// Of each level: planes and trits for a weight, bits in the file, multiplications against 8-8's
/// (infer/accounting.hpp), bytes of the file, how many times smaller than 8-8.
void print_levels(const intaglio::io::loaded_model& file);

} // namespace ternary
