// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/resize.hpp"

#include <vector>

#include "support/catch.hpp"
#include "support/formula_image.hpp"

namespace intaglio::data {
namespace {

std::vector<int> resized(const image& from, dim_t height, dim_t width) {
    resizer r;
    image into;
    r.resize(from, height, width, into);
    REQUIRE((into.view().height == height && into.view().width == width));
    return bytes_of(into);
}

} // namespace

TEST_CASE("images are resized as Pillow does it", "[golden]") { // numbers of Pillow 9.4
    const image rgb = formula_image(7, 5, 3);
    REQUIRE(resized(rgb, 3, 4) == std::vector<int>{93,  90,  106, 136, 107, 176, 163, 138, 127, 91,  184, 136,
                                                   182, 122, 112, 119, 133, 134, 91,  171, 133, 77,  148, 166,
                                                   95,  130, 121, 89,  83,  137, 130, 129, 124, 137, 118, 94});
    REQUIRE(resized(rgb, 9, 6) ==
            std::vector<int>{0,   106, 62,  111, 28,  179, 140, 145, 215, 167, 176, 142, 194, 121, 90,  132, 254, 226,
                             49,  45,  61,  138, 73,  156, 143, 109, 167, 146, 115, 141, 148, 135, 121, 64,  246, 107,
                             140, 120, 92,  118, 101, 161, 132, 118, 144, 154, 143, 125, 127, 156, 134, 18,  156, 116,
                             214, 208, 108, 103, 99,  151, 117, 149, 138, 146, 205, 115, 105, 168, 131, 12,  78,  193,
                             188, 52,  22,  200, 67,  40,  119, 138, 115, 36,  166, 146, 17,  150, 133, 48,  184, 170,
                             219, 153, 193, 205, 142, 185, 96,  185, 116, 68,  185, 118, 136, 140, 193, 141, 148, 204,
                             149, 153, 121, 110, 117, 194, 55,  131, 181, 81,  161, 155, 154, 171, 152, 134, 154, 137,
                             63,  137, 61,  62,  75,  130, 66,  61,  162, 111, 110, 143, 156, 158, 95,  110, 115, 55,
                             18,  152, 136, 123, 68,  55,  145, 30,  20,  166, 54,  47,  186, 77,  74,  118, 12,  12});
    REQUIRE(resized(rgb, 1, 1) == std::vector<int>{116, 132, 131});
    REQUIRE(resized(formula_image(37, 23, 1), 5, 8) ==
            std::vector<int>{117, 119, 140, 121, 132, 142, 117, 139, 117, 131, 143, 126, 137, 122,
                             117, 133, 146, 137, 129, 139, 135, 117, 120, 147, 126, 125, 131, 132,
                             125, 122, 105, 134, 133, 130, 143, 136, 103, 122, 126, 125});
    std::uint32_t hash = 0;
    for (const int v : resized(formula_image(375, 500, 3), 150, 224)) hash = 31 * hash + static_cast<std::uint32_t>(v);
    REQUIRE(hash == 2500384902u);
}

TEST_CASE("the same size, one pixel, and parts of an image", "[exact]") {
    const image from = formula_image(6, 7, 3);
    REQUIRE(resized(from, 6, 7) == bytes_of(from));
    for (const int v : resized(formula_image(1, 1, 1), 4, 5)) REQUIRE(v == formula_image(1, 1, 1).view().pixels[0]);
    image part;
    part.resize(3, 4, 3);
    for (dim_t y = 0; y < 3; ++y) std::copy_n(from.view().pixel(y + 2, 1), 12, part.row(y));
    resizer r;
    image into;
    r.resize(from.view().part(2, 1, 3, 4), 5, 5, into);
    REQUIRE(bytes_of(into) == resized(part, 5, 5));
    image white;
    white.resize(50, 3, 1);
    for (dim_t y = 0; y < 50; ++y) std::fill_n(white.row(y), 3, std::uint8_t{255});
    for (const int v : resized(white, 7, 11)) REQUIRE(v == 255);
}

} // namespace intaglio::data
