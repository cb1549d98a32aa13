// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/loss.hpp"

#include <cmath>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::nn {

TEST_CASE("the loss of equal logits, and of extreme ones", "[unit]") {
    feature_map logits({2, 1, 1, 4}), d;
    const std::vector<std::uint8_t> labels{0, 3};
    const auto even = softmax_cross_entropy(logits, labels, &d);
    REQUIRE(even.loss == Approx(std::log(4.0)));
    REQUIRE(even.correct == 1); // the first of equals is class 0
    REQUIRE(static_cast<double>(d.data()[0]) == Approx((0.25 - 1) / 2));
    logits.data()[3] = 1e30f;
    logits.data()[7] = 1e30f;
    const auto extreme = softmax_cross_entropy(logits, labels, &d);
    REQUIRE(std::isfinite(extreme.loss));
    for (float v : d.values()) REQUIRE(std::isfinite(v));
}

TEST_CASE("a NaN among the logits makes the loss NaN and no answer correct", "[unit]") {
    for (dim_t at = 0; at < 3; ++at)
        for (std::uint8_t label = 0; label < 3; ++label) {
            CAPTURE(at, int{label});
            feature_map logits({1, 1, 1, 3}), d;
            logits.data()[at] = std::nanf("");
            const std::vector<std::uint8_t> labels{label};
            const auto broken = softmax_cross_entropy(logits, labels, &d);
            REQUIRE(std::isnan(broken.loss));
            REQUIRE(broken.correct == 0);
            for (float v : d.values()) REQUIRE(std::isnan(v));
        }
}

TEST_CASE("the gradient of the loss", "[gradient]") {
    const float smoothing = GENERATE(0.0f, 0.1f, 1.0f);
    feature_map logits({3, 1, 1, 5}), d;
    const std::vector<std::uint8_t> labels{4, 0, 2};
    for (dim_t i = 0; i < logits.size(); ++i)
        logits.data()[i] = 4 * random_uniform(1, 1, static_cast<std::uint64_t>(i)) - 2;
    softmax_cross_entropy(logits, labels, &d, smoothing);
    for (dim_t i = 0; i < logits.size(); ++i) {
        const float kept = logits.data()[i];
        logits.data()[i] = kept + 0x1p-7f;
        const double up = softmax_cross_entropy(logits, labels, nullptr, smoothing).loss;
        logits.data()[i] = kept - 0x1p-7f;
        const double down = softmax_cross_entropy(logits, labels, nullptr, smoothing).loss;
        logits.data()[i] = kept;
        REQUIRE((up - down) * 64 == Approx(static_cast<double>(d.data()[i])).margin(2e-5));
    }
}

TEST_CASE("labels that do not fit are refused", "[unit]") {
    feature_map logits({2, 1, 1, 3});
    REQUIRE_THROWS_AS(softmax_cross_entropy(logits, std::vector<std::uint8_t>{1}, nullptr), shape_error);
    REQUIRE(mentions<value_error>(
        [&] {
            softmax_cross_entropy(logits, std::vector<std::uint8_t>{1, 3}, nullptr);
        },
        "label 3", "3 classes"));
    REQUIRE_THROWS_AS(softmax_cross_entropy(logits, std::vector<std::uint8_t>{1, 1}, nullptr, 1.5f), value_error);
    REQUIRE_THROWS_AS(softmax_cross_entropy(feature_map({2, 2, 1, 3}), std::vector<std::uint8_t>{1, 1}, nullptr),
                      shape_error);
}

} // namespace intaglio::nn
