// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/digits.hpp"

#include <cstdio>
#include <string>

#include "data_formats.hpp"
#include "intaglio/data/augment.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/real_data.hpp"

namespace intaglio::data {
namespace {

std::string line(int pixel, int label) {
    std::string text;
    for (int i = 0; i < 64; ++i) text += std::to_string(pixel) + ",";
    return text + std::to_string(label);
}

} // namespace

TEST_CASE("lines become images", "[unit]") {
    const auto all = detail::parse_digits(line(16, 9) + "\n" + line(0, 0) + "\r\n" + line(3, 1), "digits");
    REQUIRE(all.size() == 3);
    REQUIRE(all.labels == std::vector<std::uint8_t>{9, 0, 1});
    REQUIRE(all.pixels.size() == 3 * 64);
    const auto images = digit_images(all);
    REQUIRE(images[0] == 1.0f);
    REQUIRE(images[2 * 64] == 3.0f / 16);
    REQUIRE(detail::parse_digits("", "digits").size() == 0);
}

TEST_CASE("digits are a set like any other", "[unit]") {
    const auto set = to_image_set(detail::parse_digits(line(16, 9) + "\n" + line(3, 1), "digits"));
    REQUIRE((set.size() == 2 && set.height == 8 && set.width == 8 && set.channels == 1));
    REQUIRE((set.label(0) == 9 && set.label(1) == 1 && set.classes[9] == "9"));
    REQUIRE(int{set.image(1).pixel(7, 7)[0]} == 3);
}

TEST_CASE("the real digits, compressed", "[unit]") {
    const std::string folder = real_data({"digits"});
    if (folder.empty()) return;
    if (find_packed_file(folder + "/digits.csv", data_formats::codecs()).empty()) {
        std::printf("skipped: the real digits are compressed, and this build has no zlib\n");
        return;
    }
    const auto all = read_digits(folder + "/digits.csv", data_formats::codecs());
    REQUIRE(all.size() == 1'797);
    REQUIRE(split_digits(all).test.size() == 359);
}

TEST_CASE("malformed lines are refused with their number", "[unit]") {
    const std::string good = line(1, 1);
    for (const std::string& bad :
         {line(17, 1), line(-1, 1), line(1, 10), good + ",1", good.substr(2), good.substr(0, 20), std::string("x"),
          good + " ", std::string(" "), line(1, 1) + "x"}) {
        CAPTURE(bad);
        REQUIRE(mentions<file_error>([&] { detail::parse_digits(good + "\n" + bad + "\n" + good, "some file"); },
                                     "some file", "line 2"));
    }
    REQUIRE(mentions<file_error>([&] { detail::parse_digits(good + "\n\n" + good, "f"); }, "line 2"));
    REQUIRE(mentions<file_error>([] { read_digits("/nonexistent/digits.csv"); }, "/nonexistent/digits.csv"));
}

TEST_CASE("every fifth image tests and none of them trains", "[unit]") {
    std::string text;
    for (int i = 0; i < 12; ++i) text += line(i, i % 10) + "\n";
    const auto split = split_digits(detail::parse_digits(text, "digits"));
    REQUIRE(split.test.size() == 2);
    REQUIRE(split.train.size() == 10);
    REQUIRE(int{split.test.pixels[0]} == 4);
    REQUIRE(int{split.test.pixels[64]} == 9);
    for (const auto p : split.train.pixels) REQUIRE((p != 4 && p != 9));
}

TEST_CASE("deformations: none is the image, and all are a function of seed, stream and image", "[unit]") {
    std::string text;
    for (int i = 0; i < 64; ++i) text += std::to_string(i % 17) + ",";
    const auto one = detail::parse_digits(text + "5\n" + line(2, 2), "digits");
    const auto deformed = [&](dim_t image, const deformation& bound) {
        std::vector<float> to(64);
        deform_digit(one, image, bound, 1, 1, to);
        return to;
    };
    const auto images = digit_images(one);
    const std::vector<float> image(images.begin(), images.begin() + 64);
    REQUIRE(deformed(0, {.linear = 0, .shift = 0}) == image);

    const std::vector<float> first = deformed(0, {});
    REQUIRE(deformed(1, {}) != first); // another image in between changes nothing
    REQUIRE(deformed(0, {}) == first);
    REQUIRE(first != image);
    for (const float v : first) REQUIRE((v >= 0 && v <= 1));
    std::vector<float> small(63);
    REQUIRE(mentions<shape_error>([&] { deform_digit(one, 0, {}, 1, 1, small); }, "64 pixels", "63"));
}

} // namespace intaglio::data
