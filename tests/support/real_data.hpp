// SPDX-License-Identifier: Apache-2.0
#pragma once

// Real data sets, for tests that use them where they are: in the folder that INTAGLIO_DATA names, or in shared/data
// beside the source tree. A test without them says "skipped: ..." on a line of its own, which the summary counts.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <system_error>

namespace intaglio {

/// The first of the paths that exists, absolute or within the data folders; empty after a notice if there is none.
inline std::string real_data(std::initializer_list<const char*> paths) {
    const char* const given = std::getenv("INTAGLIO_DATA");
    std::error_code ignored;
    for (const std::filesystem::path root : {given != nullptr ? given : "", INTAGLIO_TEST_DATA})
        for (const char* const path : paths)
            if (std::filesystem::exists(root / path, ignored)) return (root / path).string();
    std::printf("skipped: no %s in INTAGLIO_DATA or shared/data\n", *paths.begin());
    return {};
}

} // namespace intaglio
