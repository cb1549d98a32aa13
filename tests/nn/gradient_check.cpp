// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/gradient_check.hpp"

#include <cmath>
#include <vector>

#include "support/catch.hpp"

// The checker itself, on the sum of squares; operations and networks are checked in reference/gradient_check.cpp.

namespace intaglio::nn {
namespace {

gradient_report check_squares(std::size_t place, float factor) {
    std::vector<float> values(10);
    detail::spread_values(values, 1, 1);
    std::vector<float> gradient;
    for (const float v : values) gradient.push_back(2 * v);
    gradient[place] *= factor;
    const auto squares = [&] {
        double sum = 0;
        for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
        return sum;
    };
    return compare_gradients(squares, {{"values", values, gradient}}, {.step = 0x1p-6f});
}

} // namespace

TEST_CASE("the checker accepts a right gradient and finds a wrong one", "[gradient]") {
    const gradient_report right = check_squares(7, 1);
    CAPTURE(right.where, right.worst);
    REQUIRE(right.compared == 10);
    REQUIRE(right.worst < 1e-5);
    const gradient_report wrong = check_squares(7, 1.1f);
    REQUIRE(wrong.worst > 1e-3);
    REQUIRE(wrong.where == "values [7]");
}

TEST_CASE("the checker reports a gradient that is NaN", "[gradient]") {
    const gradient_report report = check_squares(7, std::nanf(""));
    REQUIRE(std::isnan(report.worst));
    REQUIRE(report.where == "values [7]");
}

} // namespace intaglio::nn
