// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/formats/png.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/formula_image.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"

namespace intaglio::data {
namespace {

constexpr image_format png_format[] = {png};

std::vector<char> encode_png(const image_view& from, unsigned format) {
    png_image i{};
    i.version = PNG_IMAGE_VERSION;
    i.width = static_cast<png_uint_32>(from.width);
    i.height = static_cast<png_uint_32>(from.height);
    i.format = format;
    png_alloc_size_t size = 0;
    REQUIRE(::png_image_write_to_memory(&i, nullptr, &size, 0, from.pixels, 0, nullptr) != 0);
    std::vector<char> bytes(size);
    REQUIRE(::png_image_write_to_memory(&i, bytes.data(), &size, 0, from.pixels, 0, nullptr) != 0);
    bytes.resize(size);
    return bytes;
}

} // namespace

TEST_CASE("PNG images become red, green and blue, to the bit", "[exact]") {
    image i;
    const image rgb = formula_image(9, 13, 3), grey = formula_image(4, 5, 1), four = formula_image(6, 3, 4);
    decode_image(encode_png(rgb, PNG_FORMAT_RGB), png_format, "f", i);
    REQUIRE(bytes_of(i) == bytes_of(rgb));
    decode_image(encode_png(grey, PNG_FORMAT_GRAY), png_format, "f", i);
    REQUIRE((i.view().height == 4 && i.view().width == 5 && i.view().channels == 3));
    for (dim_t c = 0; c < 3; ++c) REQUIRE(i.view().pixel(3, 4)[c] == grey.view().pixel(3, 4)[0]);
    decode_image(encode_png(four, PNG_FORMAT_RGBA), png_format, "f", i);
    for (dim_t y = 0; y < 6; ++y)
        for (dim_t x = 0; x < 3; ++x)
            for (dim_t c = 0; c < 3; ++c) REQUIRE(i.view().pixel(y, x)[c] == four.view().pixel(y, x)[c]);
}

TEST_CASE("PNG images that are cut or damaged are refused by name", "[unit]") {
    const auto good = encode_png(formula_image(17, 23, 3), PNG_FORMAT_RGB);
    image i;
    const std::size_t end = good.size() - 12; // the last chunk is empty
    for (std::size_t size = 0; size < end; size += 5) {
        CAPTURE(size);
        REQUIRE(mentions<file_error>([&] { decode_image(std::span(good).first(size), png_format, "some file", i); },
                                     "some file"));
    }
    auto large = good; // a width of 2^31 - 1
    large[16] = '\x7f', large[17] = large[18] = large[19] = '\xff';
    REQUIRE(mentions<file_error>([&] { decode_image(large, png_format, "some file", i); }, "some file"));
    read_mutations(good, 60, 3'000, [&](std::span<const char> b) { decode_image(b, png_format, "damaged", i); });
}

} // namespace intaglio::data
