// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/transform.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "support/catch.hpp"
#include "support/formula_image.hpp"
#include "support/message_of.hpp"

namespace intaglio::data {
namespace {

std::vector<int> run(const transform_step& step, const image_view& from, dim_t number = 0, std::uint64_t epoch = 0,
                     std::uint64_t seed = 1) {
    transformer work;
    return bytes_of(work.run({step}, from, choices(seed, epoch, number)));
}

/// All offsets (top, left) at which `part` is the crop of `from` with a black frame.
std::set<std::pair<dim_t, dim_t>> places(const image_view& from, const std::vector<int>& part, dim_t height,
                                         dim_t width, dim_t frame) {
    std::set<std::pair<dim_t, dim_t>> found;
    for (dim_t top = -frame; top + height <= from.height + frame; ++top)
        for (dim_t left = -frame; left + width <= from.width + frame; ++left) {
            bool same = true;
            for (dim_t y = 0, i = 0; y < height; ++y)
                for (dim_t x = 0; x < width; ++x)
                    for (dim_t c = 0; c < from.channels; ++c, ++i) {
                        const dim_t v = y + top, u = x + left;
                        const bool inside = v >= 0 && u >= 0 && v < from.height && u < from.width;
                        same = same && part[static_cast<std::size_t>(i)] == (inside ? from.pixel(v, u)[c] : 0);
                    }
            if (same) found.emplace(top, left);
        }
    return found;
}

} // namespace

TEST_CASE("padded crops show every place and nothing else", "[unit]") {
    const image from = formula_image(6, 5, 3);
    std::set<std::pair<dim_t, dim_t>> seen;
    for (dim_t i = 0; i < 400; ++i) {
        const auto at = places(from, run(padded_crop{2, 6, 5}, from, i), 6, 5, 2);
        REQUIRE(at.size() == 1);
        seen.insert(*at.begin());
    }
    REQUIRE(seen.size() == 25);
    REQUIRE(run(padded_crop{0, 6, 5}, from) == bytes_of(from));
    REQUIRE(places(from, run(padded_crop{9, 2, 3}, from, 5), 2, 3, 9).size() >= 1);
    REQUIRE(run(padded_crop{3, 12, 11}, from).size() == 12 * 11 * 3);
    REQUIRE(mentions<shape_error>([&] { run(padded_crop{2, 11, 5}, from); }, "11 x 5", "6 x 5"));
}

TEST_CASE("mirrors exchange left and right, for about their share of images", "[unit]") {
    const image from = formula_image(3, 4, 3);
    std::vector<int> mirrored;
    for (dim_t y = 0; y < 3; ++y)
        for (dim_t x = 3; x >= 0; --x)
            mirrored.insert(mirrored.end(), from.view().pixel(y, x), from.view().pixel(y, x) + 3);
    int count = 0;
    for (dim_t i = 0; i < 1000; ++i) {
        const auto seen = run(mirror{}, from, i);
        REQUIRE((seen == mirrored || seen == bytes_of(from)));
        count += seen == mirrored;
    }
    REQUIRE((count > 450 && count < 550));
    REQUIRE(run(mirror{0}, from) == bytes_of(from));
    REQUIRE(run(mirror{1}, from) == mirrored);
}

TEST_CASE("resized crops keep to their areas and ratios", "[unit]") {
    // an image whose pixel tells its place, so that corners of a crop can be read from the result
    image from;
    from.resize(100, 200, 3);
    for (dim_t y = 0; y < 100; ++y)
        for (dim_t x = 0; x < 200; ++x) {
            from.row(y)[3 * x] = static_cast<std::uint8_t>(y);
            from.row(y)[3 * x + 1] = static_cast<std::uint8_t>(x);
            from.row(y)[3 * x + 2] = 7;
        }
    double least = 1, most = 0;
    for (dim_t i = 0; i < 500; ++i) {
        const auto crop = run(random_resized_crop{16, 16}, from, i);
        REQUIRE(crop.size() == 16 * 16 * 3);
        // centres of the first and last output pixels are 15/16 of the crop apart
        const double height = (crop[15 * 16 * 3] - crop[0]) * 16.0 / 15,
                     width = (crop[15 * 3 + 1] - crop[1]) * 16.0 / 15;
        REQUIRE((crop[2] == 7 && height > 0 && width > 0));
        const double area = height * width / 20'000;
        least = std::min(least, area), most = std::max(most, area);
        if (height > 40) REQUIRE((width / height > 0.70 && width / height < 1.40));
    }
    REQUIRE((least > 0.06 && least < 0.12));
    REQUIRE((most > 0.4 && most < 0.72)); // a ratio of 4/3 in an image of 2 : 1
    // nothing fits: the largest part in the middle
    const image_view wide = from.view().part(0, 0, 2, 200);
    const auto middle = run(random_resized_crop{2, 3, 1, 1}, wide);
    REQUIRE(middle[1] == 98); // (200 - 3) / 2, rounded down
    REQUIRE(middle[7] == 100);
    REQUIRE_THROWS_AS(run(random_resized_crop{2, 2, 0, 1}, from), value_error);
}

TEST_CASE("the shorter side is resized and the middle is cut out, as torchvision does", "[unit]") {
    const image from = formula_image(30, 47, 3);
    transformer work;
    const auto sizes = [&](const transform_step& s, const image_view& v) {
        const image_view r = work.run({s}, v, choices(1, 0, 0));
        return std::pair(r.height, r.width);
    };
    REQUIRE(sizes(resize_shorter{15}, from) == std::pair<dim_t, dim_t>(15, 23)); // 23.5, rounded down
    REQUIRE(sizes(resize_shorter{64}, from) == std::pair<dim_t, dim_t>(64, 100));
    REQUIRE(sizes(resize_shorter{30}, from) == std::pair<dim_t, dim_t>(30, 47));
    REQUIRE(sizes(resize_to{3, 4}, from) == std::pair<dim_t, dim_t>(3, 4));
    const auto middle = run(centre_crop{27, 42}, from); // (30 - 27) / 2 = 1.5 -> 2, (47 - 42) / 2 = 2.5 -> 2
    REQUIRE(places(from, middle, 27, 42, 0) == std::set<std::pair<dim_t, dim_t>>{{2, 2}});
    REQUIRE(mentions<shape_error>([&] { run(centre_crop{31, 2}, from); }, "31 x 2", "30 x 47"));
    // a step after a step that left a part of this object's memory
    const image_view both =
        work.run({resize_shorter{20}, centre_crop{16, 16}, mirror{1}, resize_to{8, 8}}, from, choices(1, 0, 0));
    image a, b;
    resizer r;
    r.resize(from, 20, 31, a);
    const image_view cut = a.view().part(2, 8, 16, 16);
    b.resize(16, 16, 3);
    for (dim_t y = 0; y < 16; ++y)
        for (dim_t x = 0; x < 16; ++x) std::copy_n(cut.pixel(y, 15 - x), 3, b.row(y) + 3 * x);
    r.resize(b, 8, 8, a);
    REQUIRE(bytes_of(both) == bytes_of(a));
}

TEST_CASE("colours are changed as Pillow does it", "[golden]") { // numbers of Pillow 9.4
    const image from = formula_image(3, 4, 3);
    image i;
    const auto fresh = [&] {
        i.resize(3, 4, 3);
        for (dim_t y = 0; y < 3; ++y) std::copy_n(from.view().row(y), 12, i.row(y));
    };
    fresh();
    detail::change_brightness(i, 1.375f);
    REQUIRE(bytes_of(i) == std::vector<int>{0,   145, 85,  203, 2,   255, 184, 255, 255, 255, 104, 60,
                                            101, 19,  82,  244, 167, 236, 165, 93,  167, 214, 148, 228,
                                            255, 255, 181, 35,  82,  255, 247, 255, 145, 236, 255, 145});
    fresh();
    detail::change_contrast(i, 0.625f);
    REQUIRE(bytes_of(i) == std::vector<int>{48,  114, 86,  140, 49,  184, 131, 203, 180, 181, 95,  75,
                                            94,  56,  85,  159, 124, 155, 123, 90,  124, 145, 115, 151,
                                            186, 205, 130, 64,  85,  173, 160, 184, 114, 155, 181, 114});
    fresh();
    detail::change_saturation(i, 1.5f);
    REQUIRE(bytes_of(i) == std::vector<int>{0,   124, 58, 187, 0,   255, 96,  255, 213, 255, 57,  9,
                                            92,  2,   71, 195, 111, 186, 135, 57,  138, 169, 97,  184,
                                            218, 255, 83, 6,   57,  255, 173, 230, 62,  163, 226, 64});
    const image grey = formula_image(3, 4, 1);
    REQUIRE(run(colour_jitter{0, 0, 0.5f}, grey) == bytes_of(grey));
    REQUIRE(run(colour_jitter{}, from) == bytes_of(from));
    REQUIRE(run(colour_jitter{0.4f, 0.4f, 0.4f}, from) != bytes_of(from));
}

TEST_CASE("choices depend on seed, epoch, image and step, and are the same bits everywhere", "[exact]") {
    const image from = formula_image(40, 60, 3);
    const std::vector<transform_step> steps{random_resized_crop{24, 24}, mirror{}, colour_jitter{0.4f, 0.4f, 0.4f},
                                            padded_crop{2, 24, 24}};
    const auto hash = [&](std::uint64_t seed, std::uint64_t epoch, dim_t number) {
        transformer work;
        std::uint32_t h = 0;
        for (const int v : bytes_of(work.run(steps, from, choices(seed, epoch, number))))
            h = 31 * h + static_cast<std::uint32_t>(v);
        return h;
    };
    const std::uint32_t first = hash(1, 0, 0);
    REQUIRE(first == 1474109631u);
    REQUIRE(first == hash(1, 0, 0));
    REQUIRE(std::set<std::uint32_t>{first, hash(2, 0, 0), hash(1, 1, 0), hash(1, 0, 1)}.size() == 4);
    for (const float u : {0.0f, 0.25f, 0.5f, 1 - 0x1p-24f})
        REQUIRE(std::abs(detail::power_of_unit(16.0 / 9, u) - std::pow(16.0 / 9, double{u})) < 1e-14);
}

TEST_CASE("bytes become normalized floats", "[exact]") {
    const image from = formula_image(5, 3, 3);
    std::vector<float> out(45);
    normalizer(imagenet_values(), 3).write(from, out.data());
    const auto bytes = bytes_of(from);
    const float mean[] = {0.485f, 0.456f, 0.406f}, deviation[] = {0.229f, 0.224f, 0.225f};
    for (std::size_t i = 0; i < 45; ++i)
        REQUIRE(out[i] == (static_cast<float>(bytes[i]) * (1.0f / 255) - mean[i % 3]) / deviation[i % 3]);
    normalizer({1, {10}, {2}}, 1).write(formula_image(1, 2, 1), out.data());
    REQUIRE(out[1] == (static_cast<float>(101 * 4 % 256) - 10) / 2);
    REQUIRE_THROWS_AS(normalizer(imagenet_values(), 1), value_error);
    REQUIRE_THROWS_AS(normalizer({1, {0}, {0}}, 1), value_error);
}

} // namespace intaglio::data
