// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/idx.hpp"

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "data_formats.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"
#include "support/real_data.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::data {
namespace {

std::vector<char> idx(std::initializer_list<std::uint32_t> header, std::size_t bytes) {
    std::vector<char> file;
    for (const std::uint32_t n : header)
        for (int shift = 24; shift >= 0; shift -= 8) file.push_back(static_cast<char>(n >> shift));
    for (std::size_t i = 0; i < bytes; ++i) file.push_back(static_cast<char>(i % 3));
    return file;
}
image_set parse(const std::vector<char>& images, const std::vector<char>& labels) {
    return detail::parse_idx(images, "the images", labels, "the labels", {"a", "b", "c"});
}

} // namespace

TEST_CASE("idx files become images", "[unit]") {
    const auto set = parse(idx({2051, 4, 2, 5}, 40), idx({2049, 4}, 4));
    REQUIRE(set.size() == 4);
    REQUIRE((set.height == 2 && set.width == 5 && set.channels == 1));
    REQUIRE(set.labels == std::vector<std::int32_t>{0, 1, 2, 0});
    REQUIRE(set.image(3).pixel(1, 4)[0] == 39 % 3);
}

TEST_CASE("idx files that are cut or lie are refused with the offset", "[unit]") {
    const auto images = idx({2051, 4, 2, 5}, 40), labels = idx({2049, 4}, 4);
    for (std::size_t size = 0; size < images.size(); ++size)
        REQUIRE(mentions<file_error>(
            [&] {
                parse({images.begin(), images.begin() + static_cast<std::ptrdiff_t>(size)}, labels);
            },
            "the images", size < 16 ? "inside the header" : "offset 16"));
    for (std::size_t size = 0; size < labels.size(); ++size)
        REQUIRE(mentions<file_error>(
            [&] {
                parse(images, {labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(size)});
            },
            "the labels"));
    REQUIRE(mentions<file_error>([&] { parse(labels, labels); }, "the images"));
    REQUIRE(mentions<file_error>([&] { parse(images, images); }, "the labels", "2051", "2049"));
    REQUIRE(mentions<file_error>([&] { parse(images, idx({2049, 3}, 3)); }, "3 labels", "4 images"));
    REQUIRE(mentions<file_error>([&] { parse(idx({2051, 0, 2, 5}, 0), idx({2049, 0}, 0)); }, "0 images"));
    const std::uint32_t huge = 0xffffffff;
    REQUIRE(mentions<file_error>([&] { parse(idx({2051, huge, huge, huge}, 9), labels); }, "overflow"));
    REQUIRE(mentions<file_error>([&] { parse(idx({2051, huge, 65535, 1}, 9), labels); }, "ask for"));
    auto bad = labels;
    bad[10] = 3;
    REQUIRE(mentions<file_error>([&] { parse(images, bad); }, "the labels", "offset 10", "label 3", "0 to 2"));
    read_mutations(images, 16, 5'000, [&](std::span<const char> b) { parse({b.begin(), b.end()}, labels); });
    read_mutations(labels, 8, 5'000, [&](std::span<const char> b) { parse(images, {b.begin(), b.end()}); });
}

TEST_CASE("a Fashion-MNIST folder has four files", "[unit]") {
    const temporary_folder folder;
    const auto write = [&](const char* name, const std::vector<char>& bytes) {
        io::write_file_atomically(folder.file(name), {std::span<const char>(bytes)});
    };
    write("train-images-idx3-ubyte", idx({2051, 3, 28, 28}, 3 * 784));
    write("train-labels-idx1-ubyte", idx({2049, 3}, 3));
    write("t10k-images-idx3-ubyte", idx({2051, 2, 28, 28}, 2 * 784));
    REQUIRE(mentions<file_error>([&] { read_fashion_mnist(folder.path.string()); }, "t10k-labels-idx1-ubyte"));
    write("t10k-labels-idx1-ubyte", idx({2049, 2}, 2));
    const auto split = read_fashion_mnist(folder.path.string());
    REQUIRE((split.train.size() == 3 && split.test.size() == 2 && split.test.classes[9] == "ankle boot"));
}

TEST_CASE("the real Fashion-MNIST", "[unit]") {
    const std::string folder = real_data({"fashion-mnist", "/usr/share/datasets/fashion-mnist"});
    if (folder.empty()) return;
    if (find_packed_file(folder + "/train-images-idx3-ubyte", data_formats::codecs()).empty()) {
        std::printf("skipped: the real Fashion-MNIST is compressed, and this build has no zlib\n");
        return;
    }
    const auto split = read_fashion_mnist(folder, data_formats::codecs());
    REQUIRE((split.train.size() == 60'000 && split.test.size() == 10'000));
    REQUIRE((split.train.height == 28 && split.train.width == 28));
    std::array<dim_t, 10> count{};
    for (const std::int32_t l : split.train.labels) ++count[static_cast<std::size_t>(l)];
    for (const dim_t n : count) REQUIRE(n == 6'000);
}

} // namespace intaglio::data
