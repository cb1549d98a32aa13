// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/formats/jpeg.hpp"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "intaglio/data/image_folder.hpp"
#include "intaglio/io/safetensors.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"
#include "support/real_data.hpp"

namespace intaglio::data {
namespace {

constexpr image_format jpeg_format[] = {jpeg};

/// A smooth image, which JPEG keeps nearly as it is: channel c is 40 c + 3 y + 2 x.
std::vector<char> smooth(int height, int width, int channels, int pixel_format, int sampling) {
    std::vector<unsigned char> pixels;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < channels; ++c) pixels.push_back(static_cast<unsigned char>(40 * c + 3 * y + 2 * x));
    const tjhandle handle = ::tjInitCompress();
    unsigned char* out = nullptr;
    unsigned long size = 0;
    REQUIRE(::tjCompress2(handle, pixels.data(), width, 0, height, pixel_format, &out, &size, sampling, 100, 0) == 0);
    std::vector<char> bytes(out, out + size);
    ::tjFree(out);
    ::tjDestroy(handle);
    return bytes;
}

} // namespace

TEST_CASE("JPEG images become red, green and blue", "[unit]") {
    image i;
    decode_image(smooth(21, 34, 3, TJPF_RGB, TJSAMP_444), jpeg_format, "f", i);
    REQUIRE((i.view().height == 21 && i.view().width == 34 && i.view().channels == 3));
    for (dim_t y = 0; y < 21; ++y)
        for (dim_t x = 0; x < 34; ++x)
            for (dim_t c = 0; c < 3; ++c) REQUIRE(std::abs(i.view().pixel(y, x)[c] - (40 * c + 3 * y + 2 * x)) <= 3);
    decode_image(smooth(21, 34, 1, TJPF_GRAY, TJSAMP_GRAY), jpeg_format, "f", i);
    for (dim_t c = 0; c < 3; ++c) REQUIRE(std::abs(i.view().pixel(20, 33)[c] - 126) <= 3);
    decode_image(smooth(8, 8, 4, TJPF_CMYK, TJSAMP_444), jpeg_format, "f", i);
    for (dim_t c = 0; c < 3; ++c) // an ink times black
        REQUIRE(std::abs(i.view().pixel(3, 4)[c] - (40 * c + 17) * (120 + 17) / 255) <= 4);
}

TEST_CASE("JPEG images that are cut or damaged are refused by name", "[unit]") {
    const auto good = smooth(33, 47, 3, TJPF_RGB, TJSAMP_420);
    image i;
    for (std::size_t size = 0; size < good.size(); size += 7) {
        CAPTURE(size);
        REQUIRE(mentions<file_error>([&] { decode_image(std::span(good).first(size), jpeg_format, "some file", i); },
                                     "some file", join(size, " bytes")));
        decode_image(good, jpeg_format, "a good one after a bad one", i);
    }
    read_mutations(good, 600, 3'000, [&](std::span<const char> b) { decode_image(b, jpeg_format, "damaged", i); });
}

TEST_CASE("JPEG images are decoded by several threads at once", "[unit]") {
    const auto good = smooth(40, 50, 3, TJPF_RGB, TJSAMP_420);
    image expected;
    decode_image(good, jpeg_format, "f", expected);
    std::vector<std::thread> threads;
    std::vector<int> same(3);
    for (std::size_t t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
            image mine;
            for (int n = 0; n < 50; ++n) {
                decode_image(good, jpeg_format, "f", mine);
                same[t] += std::equal(mine.row(0), mine.row(40), expected.row(0));
            }
        });
    for (auto& t : threads) t.join();
    REQUIRE(same == std::vector<int>{50, 50, 50});
}

TEST_CASE("the real images have the pixels that a reference network saw", "[golden]") {
    const std::string list = real_data({"imagenet-samples/labels.txt"});
    const std::string file = real_data({"../models/resnet50-imagenet.reference_logits.safetensors"});
    if (list.empty() || file.empty()) return;
    const auto set = image_folder::of_list(list, std::filesystem::path(list).parent_path().string(), jpeg_format);
    const auto pixels = io::safetensors_file::map(file).get<std::uint8_t>("input", {16, 3, 224, 224});
    image memory;
    dim_t other = 0;
    for (dim_t i = 0; i < 16; ++i) {
        const image_view v = set.image(i, memory);
        for (dim_t c = 0; c < 3; ++c)
            for (dim_t y = 0; y < 224; ++y)
                for (dim_t x = 0; x < 224; ++x) {
                    const int away = v.pixel(y, x)[c] - pixels[((i * 3 + c) * 224 + y) * 224 + x];
                    other += away != 0;
                    if (std::abs(away) > 1) REQUIRE(std::abs(away) <= 1);
                }
    }
    REQUIRE(other * 100 < 16 * 3 * 224 * 224);
}

} // namespace intaglio::data
