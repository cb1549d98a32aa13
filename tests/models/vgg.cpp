// SPDX-License-Identifier: Apache-2.0
#include "intaglio/models/vgg.hpp"

#include "intaglio/nn/counts.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::models {

TEST_CASE("VGG costs what is published", "[unit]") {
    const struct {
        int depth;
        dim_t parameters, with_norm;
        double giga_macs;
    } published[] = {{11, 132'863'336, 132'868'840, 7.609},
                     {13, 133'047'848, 133'053'736, 11.308},
                     {16, 138'357'544, 138'365'992, 15.470},
                     {19, 143'667'240, 143'678'248, 19.632}};
    for (const auto& p : published) {
        const nn::network_counts plain = nn::count(vgg(p.depth)), norm = nn::count(vgg(p.depth, {.batch_norm = true}));
        REQUIRE(plain.parameters == p.parameters);
        REQUIRE(norm.parameters == p.with_norm);
        REQUIRE(static_cast<double>(plain.multiply_adds) / 1e9 == Approx(p.giga_macs).margin(5e-4));
        REQUIRE(norm.multiply_adds == plain.multiply_adds);
    }
    REQUIRE(nn::count(vgg(16)).multiply_adds == 15'470'264'320);
}

TEST_CASE("VGG-16, tensor by tensor", "[unit]") {
    const auto specs = nn::parameter_specs(vgg(16));
    REQUIRE(specs.size() == 32);
    REQUIRE(specs[24].name == "features.28.weight");
    REQUIRE(specs[26].name == "classifier.0.weight");
    REQUIRE(specs[26].shape == extents{4096, 25088});
    REQUIRE(nn::parameter_specs(vgg(16, {.batch_norm = true}))[72].name == "features.40.weight");
}

TEST_CASE("VGG of another depth is refused", "[unit]") {
    REQUIRE(mentions<value_error>([] { vgg(17); }, "17", "16"));
}

} // namespace intaglio::models
