// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/cross_entropy.hpp"

#include <cmath>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::train {

TEST_CASE("the loss of equal logits, of extreme ones, and of a thousand classes", "[unit]") {
    std::vector<float> logits(2000), d(2000);
    const std::vector<std::int32_t> labels{0, 999};
    const batch_result even = softmax_cross_entropy(logits, labels, 0, 1, d, "fc");
    REQUIRE(even.loss == Approx(std::log(1000.0)));
    REQUIRE(even.correct == 1); // the first of equals is class 0
    REQUIRE(static_cast<double>(d[0]) == Approx((0.001 - 1) / 2));
    logits[5] = logits[1999] = 3e38F;
    const batch_result extreme = softmax_cross_entropy(logits, labels, 0.1, 1, d, "fc");
    REQUIRE(std::isfinite(extreme.loss));
    for (const float v : d) REQUIRE(std::isfinite(v));
}

TEST_CASE("a NaN among the logits makes the loss NaN and no answer correct", "[unit]") {
    for (std::size_t at = 0; at < 3; ++at)
        for (std::int32_t label = 0; label < 3; ++label) {
            CAPTURE(at, label);
            std::vector<float> logits(3);
            logits[at] = std::nanf("");
            const auto broken = softmax_cross_entropy(logits, std::vector{label}, 0, 1, {}, "fc");
            REQUIRE(std::isnan(broken.loss));
            REQUIRE(broken.correct == 0);
        }
}

TEST_CASE("the gradient of the loss", "[gradient]") {
    const double smoothing = GENERATE(0.0, 0.1, 1.0), weight = GENERATE(1.0, 0.3);
    const std::vector<std::int32_t> labels{4, 0, 2};
    std::vector<float> logits(15), d(15);
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 4 * random_uniform(1, 1, i) - 2;
    softmax_cross_entropy(logits, labels, smoothing, weight, d, "fc");
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const float kept = logits[i];
        logits[i] = kept + 0x1p-7F;
        const double up = softmax_cross_entropy(logits, labels, smoothing, weight, {}, "fc").loss;
        logits[i] = kept - 0x1p-7F;
        const double down = softmax_cross_entropy(logits, labels, smoothing, weight, {}, "fc").loss;
        logits[i] = kept;
        REQUIRE((up - down) * 64 * weight == Approx(static_cast<double>(d[i])).margin(2e-5));
    }
}

TEST_CASE("labels and sizes that do not fit are refused", "[unit]") {
    const std::vector<float> logits(6);
    REQUIRE(mentions<value_error>(
        [&] {
            softmax_cross_entropy(logits, std::vector<std::int32_t>{0, 3}, 0, 1, {}, "fc");
        },
        "fc: label 3 of image 1 is not one of 3 classes"));
    REQUIRE_THROWS_AS(softmax_cross_entropy(logits, std::vector<std::int32_t>{-1, 0}, 0, 1, {}, "fc"), value_error);
    REQUIRE_THROWS_AS(softmax_cross_entropy(logits, std::vector<std::int32_t>(4), 0, 1, {}, "fc"), shape_error);
}

} // namespace intaglio::train
