// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/packed_file.hpp"

#include <string>

#include "intaglio/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::data {
namespace {

/// A way to compress of these tests: every byte twice becomes every byte once.
constexpr codec halves{".half", [](std::span<const char> packed, dim_t most, const std::string& name) {
                           require<file_error>(2 * static_cast<dim_t>(packed.size()) <= most, name, ": too long");
                           std::string text;
                           for (const char c : packed) text += {c, c};
                           return file_bytes(std::span<const char>(text));
                       }};
constexpr codec codecs[] = {halves};

} // namespace

TEST_CASE("a file is taken as it is, or unpacked by the codec of its name", "[unit]") {
    const temporary_folder folder;
    const auto write = [&](const char* name, const std::string& text) {
        io::write_file_atomically(folder.file(name), {std::span<const char>(text)});
    };
    write("a", "plain");
    write("b.half", "xy");
    write("c.gz", "z");
    REQUIRE(read_packed_file(folder.file("a"), {}).text() == "plain");
    REQUIRE(read_packed_file(folder.file("a"), codecs).text() == "plain");
    REQUIRE(read_packed_file(folder.file("b"), codecs).text() == "xxyy");
    REQUIRE(read_packed_file(folder.file("b.half"), codecs).text() == "xxyy");
    REQUIRE(read_packed_file(folder.file("b.half"), {}).text() == "xy");
    write("b", "first");
    REQUIRE(read_packed_file(folder.file("b"), codecs).text() == "first");
    REQUIRE(find_packed_file(folder.file("c"), codecs).empty());
    REQUIRE(mentions<file_error>([&] { read_packed_file(folder.file("c"), codecs); }, "c.gz", "built without"));
    REQUIRE(
        mentions<file_error>([&] { read_packed_file(folder.file("d"), codecs); }, folder.file("d"), "No such file"));
    REQUIRE(mentions<file_error>([&] { read_packed_file(folder.file("a"), {}, 4); }, "5 bytes", "at most 4"));
    REQUIRE(mentions<file_error>([&] { read_packed_file(folder.file("b.half"), codecs, 3); }, "b.half", "too long"));
}

} // namespace intaglio::data
