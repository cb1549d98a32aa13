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
    REQUIRE(images.data()[0] == 1.0f);
    REQUIRE(images.data()[2 * 64] == 3.0f / 16);
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
    nn::feature_map a({2, 8, 8, 1}), b({2, 8, 8, 1});
    place_deformed_digit(one, 0, {.linear = 0, .shift = 0}, 1, 1, a, 1);
    const auto images = digit_images(one);
    for (dim_t i = 0; i < 64; ++i) REQUIRE(a.data()[64 + i] == images.data()[i]);

    place_deformed_digit(one, 0, {}, 1, 1, a, 0);
    place_deformed_digit(one, 1, {}, 1, 1, b, 0); // another image in between changes nothing
    place_deformed_digit(one, 0, {}, 1, 1, b, 1);
    bool differs = false;
    for (dim_t i = 0; i < 64; ++i) {
        REQUIRE(a.data()[i] == b.data()[64 + i]);
        REQUIRE((a.data()[i] >= 0 && a.data()[i] <= 1));
        differs = differs || a.data()[i] != images.data()[i];
    }
    REQUIRE(differs);
}

} // namespace intaglio::data
