// SPDX-License-Identifier: Apache-2.0
#include "intaglio/core/file.hpp"

#include <cstdint>
#include <fstream>
#include <string>

#include <sys/stat.h>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio {

TEST_CASE("a file is read or mapped whole", "[unit]") {
    const temporary_folder folder;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{70'001}}) {
        CAPTURE(size);
        std::string text(size, 'a');
        if (size > 0) text.back() = '\0';
        std::ofstream(folder.file("f"), std::ios::binary) << text;
        for (const bool mapped : {false, true}) {
            file_bytes first = mapped ? map_file(folder.file("f")) : read_file(folder.file("f"));
            const file_bytes bytes = std::move(first);
            REQUIRE(bytes.text() == text);
            REQUIRE(bytes.size() == static_cast<dim_t>(size));
            REQUIRE(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64 == 0);
        }
    }
    REQUIRE(file_bytes().size() == 0);
    const std::span<const char> abc("abc", 3);
    REQUIRE(file_bytes(abc).text() == "abc");
    REQUIRE(file_bytes(abc).data() != abc.data());
    file_bytes viewed = file_bytes::view(abc);
    REQUIRE(file_bytes(std::move(viewed)).data() == abc.data());
}

TEST_CASE("what is not a regular file is refused with its name and the reason", "[unit]") {
    const temporary_folder folder;
    const std::string missing = folder.file("missing"), pipe = folder.file("pipe");
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    REQUIRE(mentions<file_error>([&] { read_file(missing); }, missing, "No such file"));
    REQUIRE(mentions<file_error>([&] { map_file(missing); }, missing, "No such file"));
    REQUIRE(mentions<file_error>([&] { read_file(folder.path.string()); }, folder.path.string(), "directory"));
    REQUIRE(mentions<file_error>([&] { read_file(pipe); }, pipe, "not a regular file")); // and does not wait
    REQUIRE(mentions<file_error>([&] { map_file("/dev/zero"); }, "/dev/zero", "not a regular file"));
}

} // namespace intaglio
