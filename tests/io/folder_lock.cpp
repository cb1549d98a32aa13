// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/folder_lock.hpp"

#include <optional>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {

TEST_CASE("a folder has one writer at a time", "[unit]") {
    const temporary_folder folder;
    std::optional<folder_lock> first(std::in_place, folder.path.string());
    CHECK_THROWS_WITH(folder_lock(folder.path.string()),
                      Catch::Matchers::Contains(folder.path.string()) && Catch::Matchers::Contains("another process"));
    first.reset();
    CHECK_NOTHROW(folder_lock(folder.path.string()));
    CHECK(std::filesystem::is_empty(folder.path));
    CHECK_THROWS_AS(folder_lock(folder.file("nothing")), file_error);
}

} // namespace intaglio::io
