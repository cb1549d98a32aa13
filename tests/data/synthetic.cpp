// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/synthetic.hpp"

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::data {

TEST_CASE("synthetic images are a function of their number, and show their class", "[exact]") {
    const synthetic_images images(20, 13, 9, 3, 5);
    const image_set set = synthetic_set(images);
    REQUIRE(set.size() == 20);
    REQUIRE(set.classes == images.classes);
    image memory;
    std::uint32_t hash = 0;
    for (const dim_t i : {19, 0, 7, 3}) {
        const image_view v = images.image(i, memory);
        REQUIRE(set.label(i) == i % 5);
        REQUIRE(std::equal(v.pixels, v.pixels + set.image_size(), set.image(i).pixels));
    }
    for (const std::uint8_t p : set.pixels) hash = 31 * hash + p;
    REQUIRE(hash == 635927407u); // the same bits everywhere

    // an image is nearer to the mean of its own class than to that of any other one
    for (dim_t i = 0; i < set.size(); ++i) {
        double nearest = 1e30;
        std::int32_t best = -1;
        for (std::int32_t c = 0; c < 5; ++c) {
            double distance = 0;
            for (dim_t p = 0; p < set.image_size(); ++p) {
                double mean = 0;
                for (dim_t j = c; j < set.size(); j += 5)
                    if (j != i) mean += set.image(j).pixels[p];
                mean /= c == set.label(i) ? 3 : 4;
                distance += (set.image(i).pixels[p] - mean) * (set.image(i).pixels[p] - mean);
            }
            if (distance < nearest) nearest = distance, best = c;
        }
        REQUIRE(best == set.label(i));
    }
    REQUIRE(mentions<value_error>([] { synthetic_images(0, 1, 1, 1, 1); }, "0 images"));
}

} // namespace intaglio::data
