// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/image_range.hpp"

#include <algorithm>

#include "intaglio/data/synthetic.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::data {

TEST_CASE("a range of a set has its images, labels, names and classes", "[unit]") {
    const synthetic_images all(10, 3, 4, 2, 3);
    const image_range part(all, 4, 5);
    REQUIRE(part.size() == 5);
    image a, b;
    for (dim_t i = 0; i < 5; ++i) {
        REQUIRE(part.label(i) == all.label(4 + i));
        REQUIRE(part.name(i) == all.name(4 + i));
        const image_view u = part.image(i, a), v = all.image(4 + i, b);
        REQUIRE(std::equal(u.pixels, u.pixels + 24, v.pixels));
    }
    REQUIRE(std::equal(part.classes.begin(), part.classes.end(), all.classes.begin(), all.classes.end()));
    const image_source nested(part);
    REQUIRE(image_range(nested, 1, 2).label(0) == all.label(5));
    REQUIRE(image_range(all, 10, 0).size() == 0);
}

TEST_CASE("a range of images that the set lacks is refused", "[unit]") {
    const synthetic_images all(10, 3, 4, 2, 3);
    REQUIRE(mentions<value_error>([&] { image_range(all, 4, 7); }, "4 to 11", "of 10"));
    REQUIRE_THROWS_AS(image_range(all, -1, 2), value_error);
    REQUIRE_THROWS_AS(image_range(all, 2, -1), value_error);
}

} // namespace intaglio::data
