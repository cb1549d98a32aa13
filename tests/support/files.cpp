// SPDX-License-Identifier: Apache-2.0
#include "support/files.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace intaglio {

namespace {
const std::filesystem::path source_root = SOURCE_ROOT;
}

std::string golden_file(const std::string& name) { return (source_root / "tests" / "golden" / name).string(); }

std::string model_file(const std::string& name) {
    const char* const asked = std::getenv("INTAGLIO_MODELS");
    const std::filesystem::path folder = asked ? asked : source_root.parent_path() / "shared" / "models";
    if (std::filesystem::exists(folder / name)) return (folder / name).string();
    std::printf("skipped: no %s in %s (set INTAGLIO_MODELS)\n", name.c_str(), folder.c_str());
    return {};
}

} // namespace intaglio
