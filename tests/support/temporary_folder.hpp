// SPDX-License-Identifier: Apache-2.0
#pragma once

// A folder that exists as long as the object, for tests that write files.

#include <filesystem>
#include <stdexcept>
#include <string>

#include <stdlib.h>

namespace intaglio {

struct temporary_folder {
    std::filesystem::path path;

    temporary_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "intaglio-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder: " + name);
        path = name;
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }

    std::string file(const std::string& name) const { return (path / name).string(); }
};

} // namespace intaglio
