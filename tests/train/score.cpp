// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/score.hpp"

#include <limits>
#include <vector>

#include "support/catch.hpp"

namespace intaglio::train {

TEST_CASE("a score counts first guesses, the first five, and adds losses", "[unit]") {
    // of seven classes: right; third; equal to the first, which is guessed before it; sixth
    const std::vector<float> logits{0, 3, 0, 0, 0, 0, 0, //
                                    9, 8, 7, 6, 5, 4, 3, //
                                    1, 0, 1, 0, 0, 0, 0, //
                                    9, 8, 7, 6, 5, 4, -9};
    const std::vector<std::int32_t> labels{1, 2, 2, 5};
    score s;
    s.add(logits, labels);
    REQUIRE(s.images == 4);
    REQUIRE(s.correct == 1);
    REQUIRE(s.in_five == 3);
    REQUIRE(s.accuracy() == 0.25);
    REQUIRE(s.accuracy_in_five() == 0.75);
    const double one = softmax_cross_entropy(logits, labels, 0, 1, {}, "").loss;
    REQUIRE(s.mean_loss() == Approx(one));

    score parts; // batch by batch is the same
    parts.add(std::span(logits).first(7), std::span(labels).first(1));
    parts.add(std::span(logits).subspan(7), std::span(labels).subspan(1));
    REQUIRE(parts.correct == s.correct);
    REQUIRE(parts.in_five == s.in_five);
    REQUIRE(parts.loss == Approx(s.loss));
}

TEST_CASE("nobody is right with a NaN, and no image gives no score", "[unit]") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    score s;
    REQUIRE(s.mean_loss() == 0);
    s.add({}, {});
    REQUIRE(s.images == 0);
    s.add(std::vector<float>{5, nan, 0}, std::vector<std::int32_t>{0});
    REQUIRE(s.images == 1);
    REQUIRE(s.correct == 0);
    REQUIRE(s.in_five == 0);
    REQUIRE_THROWS_AS(s.add(std::vector<float>{1, 2}, std::vector<std::int32_t>{2}), value_error);
    REQUIRE(s.images == 1);
}

} // namespace intaglio::train
