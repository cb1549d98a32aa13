// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/image_folder.hpp"

#include <cstdlib>
#include <string>
#include <vector>

#include "data_formats.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/real_data.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::data {
namespace {

/// A format of these tests: "IMG", height, width, and one byte that all pixels have.
constexpr image_format plain{"plain", "IMG",
                             [](std::span<const char> b, const std::string& name) {
                                 require<file_error>(b.size() >= 5, name, ": ends at offset ", b.size());
                                 return image_dimensions{b[3], b[4]};
                             },
                             [](std::span<const char> b, image_dimensions size, const std::string& name, image& into) {
                                 require<file_error>(b.size() == 6, name, ": ends at offset ", b.size());
                                 std::fill_n(into.row(0), size.height * size.width * 3,
                                             static_cast<std::uint8_t>(b[5]));
                             }};
constexpr image_format formats[] = {plain};

void write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    io::write_file_atomically(path, {std::span<const char>(bytes)});
}
std::string plain_image(char height, char width, char value) { return std::string("IMG") + height + width + value; }

} // namespace

TEST_CASE("folders of classes are read in the order of their names", "[unit]") {
    const temporary_folder folder;
    write(folder.file("n02/b.JPEG"), plain_image(3, 4, 7));
    write(folder.file("n02/a.JPEG"), plain_image(2, 5, 8));
    write(folder.file("n01/x.png"), plain_image(1, 1, 9));
    write(folder.file("n01/.hidden"), "x");
    write(folder.file(".git/x"), "x");
    write(folder.file("README"), "x");
    const auto set = image_folder::of_classes(folder.path.string(), formats);
    REQUIRE(set.classes == std::vector<std::string>{"n01", "n02"});
    REQUIRE(set.size() == 3);
    REQUIRE((set.label(0) == 0 && set.label(1) == 1 && set.label(2) == 1));
    REQUIRE(set.name(1) == folder.file("n02/a.JPEG"));
    image memory;
    const image_view v = set.image(1, memory);
    REQUIRE((v.height == 2 && v.width == 5 && v.channels == 3 && v.pixel(1, 4)[2] == 8));
    set.check(image_check::pixels);

    std::filesystem::create_directory(folder.path / "n03");
    const std::string path = folder.path.string();
    REQUIRE(mentions<file_error>([&] { image_folder::of_classes(path, formats); }, folder.file("n03"), "no images"));
    REQUIRE(mentions<file_error>([&] { image_folder::of_classes(folder.file("n01"), formats); }, "no folders"));
    REQUIRE(mentions<file_error>([&] { image_folder::of_classes(folder.file("no"), formats); }, folder.file("no"),
                                 "No such file"));
}

TEST_CASE("a list names images, classes and their names", "[unit]") {
    const temporary_folder folder;
    write(folder.file("i/a"), plain_image(1, 1, 1));
    write(folder.file("list"), "# file, class\r\n\ni/a\t2\tn03\ttabby cat\r\ni/b\t0\n");
    const auto set = image_folder::of_list(folder.file("list"), folder.path.string(), formats);
    REQUIRE(set.classes == std::vector<std::string>{"class 0", "", "tabby cat"});
    REQUIRE((set.size() == 2 && set.label(0) == 2 && set.name(1) == folder.file("i/b")));
    REQUIRE(mentions<file_error>([&] { set.check(image_check::headers); }, folder.file("i/b"), "No such file"));
    for (const char* const bad : {"i/a", "i/a\t", "i/a\t-1", "i/a\tx", "i/a\t1x", "\t1", "i/a\t99999999999", "i/a 1"}) {
        CAPTURE(bad);
        write(folder.file("list"), std::string("i/a\t1\n") + bad + "\ni/a\t1");
        REQUIRE(mentions<file_error>([&] { image_folder::of_list(folder.file("list"), folder.path.string(), formats); },
                                     "list", "line 2"));
    }
    write(folder.file("list"), "# nothing\n");
    REQUIRE(mentions<file_error>([&] { image_folder::of_list(folder.file("list"), "", formats); }, "names no images"));
}

TEST_CASE("images that are damaged are found before training, and told by name", "[unit]") {
    const temporary_folder folder;
    const std::string path = folder.path.string();
    for (int i = 0; i < 20; ++i) write(folder.file(join("c/", i + 10)), plain_image(2, 2, 1));
    write(folder.file("c/15"), plain_image(2, 2, 1) + "x");
    write(folder.file("c/21"), plain_image(2, 2, 1) + "x");
    const auto set = image_folder::of_classes(path, formats);
    thread_pool pool(3);
    set.check(image_check::headers, pool);
    REQUIRE(mentions<file_error>([&] { set.check(image_check::pixels, pool); }, "c/15", "1 more images of 20"));
    loader batches(set, {.batch = 4, .threads = 2});
    batches.next();
    REQUIRE(mentions<file_error>([&] { batches.next(); }, "c/15", "offset 7"));
    write(folder.file("c/10"), "");
    write(folder.file("c/11"), "GIF89a");
    write(folder.file("c/12"), plain_image(0, 4, 1));
    write(folder.file("c/13"), plain_image(-1, -1, 1));
    std::filesystem::remove(folder.path / "c/14");
    image memory;
    REQUIRE(mentions<file_error>([&] { set.image(0, memory); }, "c/10", "0 bytes", "known are plain"));
    REQUIRE(mentions<file_error>([&] { set.image(1, memory); }, "c/11", "known format"));
    REQUIRE(mentions<file_error>([&] { set.image(2, memory); }, "c/12", "0 x 4"));
    REQUIRE(mentions<file_error>([&] { set.image(3, memory); }, "c/13", "-1"));
    REQUIRE(mentions<file_error>([&] { set.image(4, memory); }, "c/14", "No such file"));
    REQUIRE(mentions<file_error>([&] { set.check(image_check::headers, pool); }, "c/10", "4 more images"));
    const auto none = image_folder::of_classes(path, {});
    REQUIRE(mentions<file_error>([&] { none.image(9, memory); }, "c/20", "built without"));
}

TEST_CASE("where data lie is said by an argument or by the environment", "[unit]") {
    REQUIRE(data_folder("here", "cifar10") == "here");
    const char* const before = std::getenv("INTAGLIO_DATA");
    const std::string kept = before != nullptr ? before : "";
    ::setenv("INTAGLIO_DATA", "/some/where", 1);
    REQUIRE(data_folder("", "cifar10") == "/some/where/cifar10");
    ::unsetenv("INTAGLIO_DATA");
    REQUIRE(mentions<file_error>([] { data_folder("", "cifar10"); }, "cifar10", "INTAGLIO_DATA"));
    if (before != nullptr) ::setenv("INTAGLIO_DATA", kept.c_str(), 1);
}

TEST_CASE("the real images of ImageNet's classes", "[unit]") {
    const std::string list = real_data({"imagenet-samples/labels.txt"});
    if (list.empty()) return;
    if (data_formats::images().empty()) {
        std::printf("skipped: the real images need TurboJPEG, which this build has not\n");
        return;
    }
    const auto set =
        image_folder::of_list(list, std::filesystem::path(list).parent_path().string(), data_formats::images());
    REQUIRE(set.size() == 500);
    REQUIRE((set.label(1) == 2 && set.classes[2] == "great_white_shark" && set.classes.size() == 999));
    thread_pool pool(2);
    set.check(image_check::pixels, pool);
    image memory;
    const image_view v = set.image(499, memory);
    REQUIRE((v.height == 224 && v.width == 224 && v.channels == 3));
    loader batches(set, {.batch = 8, .transform = imagenet_training(), .shuffle = true, .threads = 2});
    REQUIRE(batches.next().count == 8);
}

} // namespace intaglio::data
