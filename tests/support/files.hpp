// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the files lie that tests read.

#include <string>

namespace intaglio {

/// tests/golden/NAME: numbers from PyTorch (its README.md says which).
std::string golden_file(const std::string& name);

/// NAME in the folder of pre-trained networks: $INTAGLIO_MODELS, or shared/models beside the source tree. Empty, and a
/// line on standard output that says so, where there is no such file: the test passes over it.
std::string model_file(const std::string& name);

} // namespace intaglio
