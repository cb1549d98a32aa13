// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/cifar10.hpp"

#include <array>
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

/// Records whose pixels tell their image, channel and place.
std::vector<char> records(int count) {
    std::vector<char> bytes;
    for (int i = 0; i < count; ++i) {
        bytes.push_back(static_cast<char>((i + 3) % 10));
        for (int k = 0; k < 3072; ++k) bytes.push_back(static_cast<char>(i + 5 * (k / 1024) + k % 1024));
    }
    return bytes;
}

void write(const std::string& path, const std::vector<char>& bytes) {
    io::write_file_atomically(path, {std::span<const char>(bytes)});
}

} // namespace

TEST_CASE("CIFAR-10 records become images with channels last", "[unit]") {
    const auto set = detail::parse_cifar10(records(12), "some file");
    REQUIRE(set.size() == 12);
    REQUIRE((set.height == 32 && set.width == 32 && set.channels == 3));
    REQUIRE(set.classes.size() == 10);
    REQUIRE(set.classes[9] == "truck");
    for (const dim_t i : {0, 7, 11}) {
        REQUIRE(set.label(i) == (i + 3) % 10);
        const image_view image = set.image(i);
        for (dim_t y = 0; y < 32; ++y)
            for (dim_t x = 0; x < 32; ++x)
                for (dim_t c = 0; c < 3; ++c) REQUIRE(image.pixel(y, x)[c] == (i + 5 * c + 32 * y + x) % 256);
    }
}

TEST_CASE("CIFAR-10 files that are cut or lie are refused with the offset", "[unit]") {
    const auto good = records(3);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3072}, good.size() - 1}) {
        const auto cut = std::span<const char>(good).first(size);
        REQUIRE(
            mentions<file_error>([&] { detail::parse_cifar10(cut, "some file"); }, "some file", join(size), "3073"));
    }
    auto bad = good;
    bad[2 * 3073] = 10;
    REQUIRE(mentions<file_error>([&] { detail::parse_cifar10(bad, "f"); }, "record 2", "offset 6146", "label 10"));
    bad[2 * 3073] = '\xff';
    REQUIRE(mentions<file_error>([&] { detail::parse_cifar10(bad, "f"); }, "label 255"));
    read_mutations(good, good.size(), 2'000, [](std::span<const char> b) { detail::parse_cifar10(b, "damaged"); });
}

TEST_CASE("a CIFAR-10 folder is five files and a test", "[unit]") {
    const temporary_folder folder;
    for (int i = 1; i <= 5; ++i) write(folder.file(join("data_batch_", i, ".bin")), records(i));
    const std::string path = folder.path.string();
    REQUIRE(mentions<file_error>([&] { read_cifar10(path); }, "test_batch.bin", "No such file"));
    write(folder.file("test_first5000.bin"), records(2));
    REQUIRE(read_cifar10(path).test.size() == 2);
    write(folder.file("test_batch.bin"), records(4));
    const auto split = read_cifar10(path);
    REQUIRE(split.train.size() == 15);
    REQUIRE(split.test.size() == 4);
    REQUIRE(split.train.label(14) == 7);
    std::filesystem::remove(folder.path / "data_batch_4.bin");
    REQUIRE(mentions<file_error>([&] { read_cifar10(path); }, "data_batch_4.bin"));
    write(folder.file("data_batch_4.bin.xz"), records(1));
    REQUIRE(mentions<file_error>([&] { read_cifar10(path); }, "data_batch_4.bin.xz", "built without"));
    REQUIRE(mentions<file_error>([&] { read_cifar10(folder.file("none")); }, folder.file("none"), "data_batch_1.bin"));
}

TEST_CASE("the real CIFAR-10", "[unit]") {
    const std::string folder = real_data({"cifar10"});
    if (folder.empty()) return;
    if (find_packed_file(folder + "/data_batch_1.bin", data_formats::codecs()).empty()) {
        std::printf("skipped: the real CIFAR-10 is compressed, and this build has no liblzma\n");
        return;
    }
    const auto split = read_cifar10(folder, data_formats::codecs());
    REQUIRE(split.train.size() == 50'000);
    REQUIRE(split.test.size() >= 5'000);
    const int train[] = {6, 9, 9, 4, 1}, test[] = {3, 8, 8, 0, 6};
    std::array<dim_t, 10> count{};
    for (dim_t i = 0; i < 50'000; ++i) ++count[static_cast<std::size_t>(split.train.label(i))];
    for (dim_t i = 0; i < 5; ++i) REQUIRE((split.train.label(i) == train[i] && split.test.label(i) == test[i]));
    for (const dim_t n : count) REQUIRE(n == 5'000);
    double sum[3] = {};
    for (std::size_t i = 0; i < split.train.pixels.size(); ++i) sum[i % 3] += split.train.pixels[i];
    const double expected[] = {0.49139968, 0.48215841, 0.44653091};
    for (int c = 0; c < 3; ++c) REQUIRE(std::abs(sum[c] / (255.0 * 50'000 * 1024) - expected[c]) < 1e-7);
}

} // namespace intaglio::data
