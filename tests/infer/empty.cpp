// SPDX-License-Identifier: Apache-2.0

// Networks for integers with every extent as zero in turn: logits come out, without a number in them that was not
// computed, or what can't be is told.

#include <algorithm>
#include <cmath>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/infer/reference.hpp"
#include "support/catch.hpp"

namespace intaglio::infer {

TEST_CASE("a coded network runs without images and without channels", "[unit]") {
    for (const dim_t in_channels : {0, 2})
        for (const dim_t channels : {0, 5})
            for (const dim_t classes : {0, 3}) {
                CAPTURE(in_channels, channels, classes);
                nn::network_builder b;
                const auto x = b.convolution("conv", b.input(4, 4, in_channels),
                                             {.out_channels = channels, .kernel = 3, .padding = 1});
                const auto pooled = b.global_average_pool(b.max_pool(b.relu(x), {.kernel = 2, .stride = 2}));
                const nn::network net = b.finish(b.linear("fc", b.flatten(pooled), {.out_features = classes}));
                const folded_network folded = infer::fold(net, random_parameters(net));
                calibrator measuring(folded, 4);
                measuring.add(random_images({2, 4, 4, in_channels}));
                const calibration measured = std::move(measuring).finish();
                for (const weight_coding& coding : {weight_coding{}, weight_coding{.step = 0.7, .divisors = {3}},
                                                    weight_coding{.family = coding_family::greedy, .planes = 2},
                                                    weight_coding{.family = coding_family::locked, .planes = 2},
                                                    weight_coding{.family = coding_family::int4}}) {
                    const coded_network coded = encode(folded, measured, [&](std::size_t) { return coding; });
                    const integer_network integer(coded);
                    integer_network::workspace memory;
                    for (const dim_t batch : {0, 2}) {
                        const tensor<float> images({batch, 4, 4, in_channels});
                        const tensor<float> logits = integer.run(images, 1, memory);
                        CHECK(logits.shape() == extents{batch, classes});
                        CHECK(std::all_of(logits.begin(), logits.end(), [](float v) { return std::isfinite(v); }));
                        const tensor<float> expected = reference_logits(coded, images);
                        CHECK(std::equal(logits.begin(), logits.end(), expected.begin(), expected.end()));
                    }
                }
            }
}

} // namespace intaglio::infer
